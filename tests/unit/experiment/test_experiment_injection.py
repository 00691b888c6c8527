"""Whatever an experiment, its folders and its files are called is data on the client and on the head."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
import sys
from pathlib import Path
from typing import cast

from experiment_values import experiment_entry, new_records
from hostile import HOSTILE, LINE_NAMES, NAMES, fuzz
from hypothesis import given
from hypothesis import strategies as st
from test_upload import send

from ray_remote_nni.cluster.local import LocalTransport
from ray_remote_nni.cluster.state import MachineState
from ray_remote_nni.experiment import logs
from ray_remote_nni.experiment.registry import find_experiment
from ray_remote_nni.experiment.submit import driver_command
from ray_remote_nni.paths import private_folder
from ray_remote_nni.records.reader import RecordReader


@fuzz(30)
@given(name=NAMES, shell=st.sampled_from(["sh", "bash", "dash"]))
def test_the_driver_starts_with_a_python_of_any_name(empty: Path, tmp_path: Path, name: str, shell: str) -> None:
    python = tmp_path / "bin" / name
    python.parent.mkdir(exist_ok=True)
    python.write_text("#!/bin/sh\nprintf '%s\\0' \"$@\"\n")
    python.chmod(0o755)
    command = driver_command(str(python), "exp$(touch out)")
    done = subprocess.run([shell, "-c", command], capture_output=True, text=True)
    assert done.stdout.split("\0") == ["-m", "ray_remote_nni.experiment.driver", "exp$(touch out)", ""]
    assert list(empty.iterdir()) == []


@fuzz(15)
@given(name=LINE_NAMES)
def test_output_is_fetched_from_a_home_of_any_name(empty: Path, tmp_path: Path, name: str) -> None:
    home = tmp_path / "homes" / name
    trial = home / ".ray-nni/experiments/exp12345/trials/aB3dE"
    trial.mkdir(parents=True, exist_ok=True)
    (trial / "stdout").write_text("said")

    async def connect(_: MachineState) -> LocalTransport:
        return LocalTransport()

    async def fetch() -> bytes:
        node = cast(MachineState, type("Node", (), {"home": str(home), "host": "h", "python": sys.executable}))
        parts = logs.fetch(connect, node, "exp12345", ["trials/aB3dE/stdout"], "trial aB3dE")
        return b"".join([part async for part in parts])

    assert asyncio.run(fetch()) == b"said"
    assert list(empty.iterdir()) == []


@fuzz(15)
@given(folder=NAMES, name=HOSTILE)
def test_results_are_kept_in_a_folder_of_any_name_and_found_by_any_name(
    empty: Path, tmp_path: Path, folder: str, name: str
) -> None:
    directory = private_folder(tmp_path / "results" / folder)
    entry = experiment_entry(directory, name=name)
    entry.save()
    assert find_experiment(name) == entry
    entry.mirror.unlink(missing_ok=True)
    new_records(entry.mirror).close()
    with RecordReader(entry.mirror) as records:
        assert records.experiment().id == "exp12345"
    assert [path.name for path in directory.iterdir() if not path.name.startswith("records.sqlite")] == []
    shutil.rmtree(directory)


@fuzz(3)
@given(names=st.lists(NAMES, unique=True, min_size=4, max_size=8), folder=NAMES)
def test_code_of_any_name_arrives_under_that_name(empty: Path, tmp_path: Path, names: list[str], folder: str) -> None:
    code = tmp_path / "projects" / folder
    shutil.rmtree(code, ignore_errors=True)
    (code / "sub").mkdir(parents=True)
    for name in names:
        (code / "sub" / name).write_text(name)
    there, _ = send(code)
    assert {path.name: path.read_text() for path in (there / "sub").iterdir()} == {
        path.name: path.read_text() for path in (code / "sub").iterdir()
    }
    assert len(list((there / "sub").iterdir())) == len(names)
    assert list(empty.iterdir()) == []
