"""What runs on this machine, and which of it belongs to a process tree: Linux tells in /proc, others otherwise."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from ray_remote_nni.guard.windows import processes as windows

PROC = Path("/proc")


@dataclass(frozen=True)
class Process:
    """One line of the process table; `start_ticks` with `pid` identifies a process beyond the reuse of its PID."""

    pid: int
    parent: int
    session: int
    start_ticks: int
    zombie: bool


def read_process(pid: int) -> Process | None:
    """Return the process, or None where there is none (any more)."""
    if sys.platform == "win32":
        return _from_windows(pid, windows.snapshot())
    if not PROC.is_dir():
        return from_ps(pid)
    try:
        stat = (PROC / str(pid) / "stat").read_bytes()
    except OSError:
        return None
    # The second field, the command's name in parentheses, may itself hold spaces and parentheses, and where the kernel
    # cut a long one it may end within a character.
    fields = stat[stat.rindex(b")") + 2 :].split()
    return Process(
        pid=pid,
        parent=int(fields[1]),
        session=int(fields[3]),
        start_ticks=int(fields[19]),
        zombie=fields[0] in (b"Z", b"X"),
    )


def from_ps(pid: int) -> Process | None:
    """Ask ps, as on macOS: the start is in seconds since the epoch, the session of no use."""
    done = subprocess.run(
        ["ps", "-o", "ppid=", "-o", "stat=", "-o", "lstart=", "-p", str(pid)],
        capture_output=True,
        env={**os.environ, "LC_ALL": "C"},
    )
    fields = done.stdout.decode(errors="replace").split(maxsplit=2)
    if len(fields) < 3:
        return None
    started = time.strptime(fields[2].strip(), "%a %b %d %H:%M:%S %Y")
    return Process(pid, int(fields[0]), 0, int(time.mktime(started)), fields[1].startswith("Z"))


def _from_windows(pid: int, known: Mapping[int, tuple[int, str]]) -> Process | None:
    ticks = windows.start_ticks(pid)
    return None if ticks is None else Process(pid, known.get(pid, (0, ""))[0], 0, ticks, False)


def process_table() -> dict[int, Process]:
    """Return all processes by PID."""
    if sys.platform == "win32":
        known = windows.snapshot()
        table = (_from_windows(pid, known) for pid in known)
        return {process.pid: process for process in table if process is not None}
    found = (read_process(int(name)) for name in os.listdir(PROC) if name.isdigit())
    return {process.pid: process for process in found if process is not None}


def is_same_process(pid: int, start_ticks: int) -> bool:
    """Tell whether `pid` still is the process that started at `start_ticks`, and is no zombie."""
    process = read_process(pid)
    return process is not None and process.start_ticks == start_ticks and not process.zombie


def child_pids(pid: int) -> list[int]:
    """Return the direct children of a process whose main thread forks: one read, where the kernel offers it."""
    try:
        # Each trial's end costs such a look, and a Path would cost more than the look.
        with open(f"{PROC}/{pid}/task/{pid}/children") as file:
            return [int(child) for child in file.read().split()]
    except OSError:
        return [process.pid for process in process_table().values() if process.parent == pid]


def descendants(roots: Iterable[int], table: Mapping[int, Process]) -> set[int]:
    """Return `roots` and everything below them, as far as they are in the table."""
    children: dict[int, list[int]] = {}
    for process in table.values():
        children.setdefault(process.parent, []).append(process.pid)
    found: set[int] = set()
    waiting = [root for root in roots if root in table]
    while waiting:
        pid = waiting.pop()
        if pid not in found:
            found.add(pid)
            waiting.extend(children.get(pid, ()))
    return found


def environment_of(pid: int) -> dict[str, str]:
    """Return a process's environment as it was at its start; empty where it cannot be read or was wiped."""
    try:
        raw = (PROC / str(pid) / "environ").read_bytes()
    except OSError:
        return {}
    return dict(_pairs(raw))


def name_of(pid: int) -> str:
    """Return a process's short name, as the kernel knows it; empty where there is no such process."""
    try:
        return (PROC / str(pid) / "comm").read_bytes().decode(errors="replace").strip()
    except OSError:
        return ""


def command_of(pid: int) -> str:
    """Return a process's command line, its arguments joined by spaces; empty where there is none."""
    try:
        raw = (PROC / str(pid) / "cmdline").read_bytes()
    except OSError:
        return ""
    return raw.replace(b"\0", b" ").decode(errors="replace").strip()


def _pairs(raw: bytes) -> Iterator[tuple[str, str]]:
    for entry in raw.split(b"\0"):
        name, separator, value = entry.partition(b"=")
        if separator:
            yield os.fsdecode(name), os.fsdecode(value)
