"""What runs on the GPUs of this machine, as nvidia-smi tells."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Sequence
from xml.etree import ElementTree

_TIMEOUT_S = 20.0


class NoAnswer(Exception):
    """nvidia-smi is not there, failed, or hangs."""


def run_nvidia_smi(arguments: Sequence[str]) -> str:
    """Return what nvidia-smi prints. Raises NoAnswer."""
    try:
        done = subprocess.run(["nvidia-smi", *arguments], capture_output=True, timeout=_TIMEOUT_S)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NoAnswer(str(error)) from error
    if done.returncode != 0:
        # It complains on standard output.
        said = (done.stderr + done.stdout).decode(errors="replace").strip().splitlines()
        raise NoAnswer(said[0] if said else f"nvidia-smi ended with exit code {done.returncode}")
    return done.stdout.decode(errors="replace")


def gpu_processes(ask: Callable[[Sequence[str]], str] = run_nvidia_smi) -> dict[int, frozenset[int]]:
    """Return the PIDs of the processes on each GPU, by index; a GPU without any may be missing. Raises NoAnswer.

    As in NNI a process that only draws counts as well.
    """
    try:
        return parse_report(ask(["-q", "-x"]))
    except ElementTree.ParseError:
        # An nvidia-smi without its XML report; its lists know of computing processes only.
        indices = parse_indices(ask(["--query-gpu=index,uuid", "--format=csv,noheader"]))
        return parse_applications(ask(["--query-compute-apps=gpu_uuid,pid", "--format=csv,noheader"]), indices)


def parse_report(text: str) -> dict[int, frozenset[int]]:
    """Read `nvidia-smi -q -x`. Raises ElementTree.ParseError."""
    found = {}
    for index, gpu in enumerate(ElementTree.fromstring(text).iter("gpu")):
        pids = (pid.text or "" for process in gpu.iter("process_info") for pid in process.iter("pid"))
        found[index] = frozenset(int(pid) for pid in pids if pid.strip().isdigit())
    return found


def parse_indices(text: str) -> dict[str, int]:
    """Read `--query-gpu=index,uuid`: the index of each UUID."""
    rows = [[field.strip() for field in line.split(",")] for line in text.splitlines()]
    return {row[1]: int(row[0]) for row in rows if len(row) == 2 and row[0].isdigit()}


def parse_applications(text: str, indices: dict[str, int]) -> dict[int, frozenset[int]]:
    """Read `--query-compute-apps=gpu_uuid,pid`."""
    found: dict[int, frozenset[int]] = {index: frozenset() for index in indices.values()}
    for line in text.splitlines():
        uuid, _, pid = (field.strip() for field in line.partition(","))
        if uuid in indices and pid.isdigit():
            found[indices[uuid]] |= {int(pid)}
    return found
