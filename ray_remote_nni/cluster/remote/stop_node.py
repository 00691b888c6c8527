"""Stops a node on its own machine: its guard, then whatever of this cluster is left, and nothing else."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import sys
import time
from pathlib import Path
from typing import Any

from ray_remote_nni.cluster.remote.start_node import NODE_MARK
from ray_remote_nni.guard import ending
from ray_remote_nni.guard.ownership import TREE_MARK
from ray_remote_nni.guard.processes import command_of, environment_of, is_same_process, process_table

#: The guard gives trials 4 s to end.
_PATIENCE_S = 15.0
_TRIES = 50


def main() -> None:
    """Read {"directory", "temp_dir"} from standard input; print {"swept": [commands that the guard had lost]}."""
    asked: dict[str, Any] = json.load(sys.stdin)
    directory, temp_dir = Path(asked["directory"]), Path(asked["temp_dir"])
    _end_guard(directory)
    # Windows ends what a guard leaves.
    swept = [] if sys.platform == "win32" else _sweep(directory)
    for folder in {temp_dir, directory}:
        _remove(folder)
    with contextlib.suppress(OSError):
        directory.parent.rmdir()
    print(json.dumps({"swept": swept}))


def _remove(folder: Path) -> None:
    """Remove a folder; Windows lets nobody remove a file before whoever had it open is quite gone."""
    for _ in range(_TRIES if sys.platform == "win32" else 1):
        shutil.rmtree(folder, ignore_errors=True)
        if not folder.exists():
            return
        time.sleep(0.1)


def _end_guard(directory: Path) -> None:
    known = ending.identity(directory)
    if known is None:
        return
    deadline = time.monotonic() + _PATIENCE_S
    while is_same_process(*known):
        if time.monotonic() > deadline:
            ending.make_end(known[0])
        else:
            ending.ask_to_end(directory, known[0])
        time.sleep(0.1)


def _sweep(directory: Path) -> list[str]:
    """Kill what bears this node's mark and is left although the guard is gone."""
    swept = []
    while left := _left(directory):
        for pid in left:
            swept.append(command_of(pid))
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.1)
    return swept


def _left(directory: Path) -> set[int]:
    table = {pid: process for pid, process in process_table().items() if not process.zombie}
    environments = {pid: environment_of(pid) for pid in table}
    marked = {pid for pid in table if environments[pid].get(NODE_MARK) == str(directory)}
    # Ray's Python processes wipe their environment. What the guard started has a session of its own, so nobody else is
    # in it; what a client started there for itself (a feed of records) may share the session of the user's terminal.
    sessions = {table[pid].session for pid in marked if TREE_MARK in environments[pid]}
    return {pid for pid in table if pid in marked or table[pid].session in sessions}
