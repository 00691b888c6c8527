"""A process is known by its PID and its start, on systems without /proc as well."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ray_remote_nni.guard import processes


def test_ps_tells_of_a_process_what_proc_does() -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        told, read = processes.from_ps(child.pid), processes.read_process(child.pid)
        assert told is not None
        assert read is not None
        assert (told.pid, told.parent, told.zombie) == (read.pid, os.getpid(), False)
        assert abs(told.start_ticks - time.time()) < 60
        assert processes.from_ps(child.pid) == told


def test_without_proc_a_process_that_has_ended_is_not_there(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(processes, "PROC", tmp_path / "proc")
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    known = processes.read_process(child.pid)
    assert known is not None
    assert processes.is_same_process(child.pid, known.start_ticks)
    assert not processes.is_same_process(child.pid, known.start_ticks - 100)
    child.communicate()
    assert not processes.is_same_process(child.pid, known.start_ticks)
