"""Which processes are on which GPU, from recorded output of nvidia-smi."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from ray_remote_nni.trial.gpu_use import GpuUse, look
from ray_remote_nni.trial.nvidia import NoAnswer, gpu_processes, run_nvidia_smi

REPORT = """<?xml version="1.0" ?>
<!DOCTYPE nvidia_smi_log SYSTEM "nvsmi_device_v12.dtd">
<nvidia_smi_log>
  <driver_version>535.129.03</driver_version>
  <attached_gpus>2</attached_gpus>
  <gpu id="00000000:17:00.0">
    <product_name>NVIDIA A100-PCIE-40GB</product_name>
    <uuid>GPU-aaaa</uuid>
    <minor_number>1</minor_number>
    <processes>
      <process_info><gpu_instance_id>N/A</gpu_instance_id><pid>1234</pid><type>C</type></process_info>
      <process_info><pid>77</pid><type>G</type><process_name>/usr/lib/xorg/Xorg</process_name></process_info>
    </processes>
  </gpu>
  <gpu id="00000000:65:00.0"><uuid>GPU-bbbb</uuid><processes></processes></gpu>
</nvidia_smi_log>
"""


def test_the_report_tells_of_computing_and_drawing_processes() -> None:
    assert gpu_processes(lambda _: REPORT) == {0: {1234, 77}, 1: frozenset()}


def test_without_a_report_the_lists_tell() -> None:
    def ask(arguments: Sequence[str]) -> str:
        if "-x" in arguments:
            return "Invalid combination of input arguments."
        if arguments[0].startswith("--query-gpu"):
            return "0, GPU-aaaa\n1, GPU-bbbb\n"
        return "GPU-bbbb, 1234\nGPU-bbbb, 1235\nGPU-cccc, 9\n"

    assert gpu_processes(ask) == {0: frozenset(), 1: {1234, 1235}}


@pytest.mark.parametrize("text", ["0\n1\n2\n", "", "No devices were found\n"])
def test_an_answer_that_says_nothing_of_processes_means_that_there_are_none(text: str) -> None:
    assert not any(gpu_processes(lambda _: text).values())


@pytest.fixture
def nvidia_smi(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    tool = tmp_path / "bin" / "nvidia-smi"
    tool.parent.mkdir()
    monkeypatch.setenv("PATH", f"{tool.parent}:{os.environ['PATH']}")
    return tool


def answering(tool: Path, script: str) -> None:
    tool.write_text(f"#!/bin/sh\n{script}\n")
    tool.chmod(0o755)


def test_what_nvidia_smi_says_when_it_fails_is_told(nvidia_smi: Path) -> None:
    answering(nvidia_smi, "echo 'NVIDIA-SMI has failed because it could not talk to the driver.'; exit 9")
    with pytest.raises(NoAnswer, match="could not talk to the driver"):
        run_nvidia_smi(["-L"])
    use = look(os.getpid())
    assert (use.strangers, use.error) == (frozenset(), "NVIDIA-SMI has failed because it could not talk to the driver.")


def test_only_processes_that_are_not_below_our_guard_are_strangers(nvidia_smi: Path) -> None:
    with subprocess.Popen(["sleep", "60"]) as mine:
        report = REPORT.replace("1234", str(mine.pid)).replace("<pid>77</pid>", f"<pid>{mine.pid}</pid>")
        answering(nvidia_smi, f"cat <<'END'\n{report}\nEND")
        assert look(os.getpid()) == GpuUse(frozenset())
        answering(nvidia_smi, f"cat <<'END'\n{REPORT.replace('1234', '1')}\nEND")
        assert look(os.getpid()) == GpuUse(frozenset({0}))
        # Seen from another cluster's guard, ours is a stranger.
        answering(nvidia_smi, f"cat <<'END'\n{report}\nEND")
        assert look(mine.pid + 10**6) == GpuUse(frozenset({0}))
        mine.kill()
