"""What runs on this machine, as Windows tells."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager
from ctypes import wintypes

from ray_remote_nni.guard.windows.kernel import kernel32

_SNAPSHOT_OF_PROCESSES = 2
_INVALID = ctypes.c_void_p(-1).value
_TERMINATE, _QUERY, _SYNCHRONIZE = 0x1, 0x1000, 0x100000
_TIMED_OUT = 0x102
_FOREVER = 0xFFFFFFFF
_CTRL_BREAK = 1


class _Entry(ctypes.Structure):
    """PROCESSENTRY32W."""

    _fields_ = (
        ("size", ctypes.c_uint32),
        ("usage", ctypes.c_uint32),
        ("pid", ctypes.c_uint32),
        ("heap", ctypes.c_size_t),
        ("module", ctypes.c_uint32),
        ("threads", ctypes.c_uint32),
        ("parent", ctypes.c_uint32),
        ("priority", ctypes.c_int32),
        ("flags", ctypes.c_uint32),
        ("name", wintypes.WCHAR * 260),
    )


def snapshot() -> dict[int, tuple[int, str]]:
    """Return the parent and the name of each process, by PID; a parent may be gone, and its PID another's."""
    found: dict[int, tuple[int, str]] = {}
    taken = kernel32().CreateToolhelp32Snapshot(_SNAPSHOT_OF_PROCESSES, 0)
    if taken in (None, _INVALID):
        return found
    entry = _Entry(size=ctypes.sizeof(_Entry))
    more = kernel32().Process32FirstW(taken, ctypes.byref(entry))
    while more:
        found[entry.pid] = (entry.parent, entry.name)
        more = kernel32().Process32NextW(taken, ctypes.byref(entry))
    kernel32().CloseHandle(taken)
    return found


def start_ticks(pid: int) -> int | None:
    """Return when a process started, in ticks of 100 ns; None where there is none, or it has ended."""
    with _opened(pid, _QUERY | _SYNCHRONIZE) as process:
        if process is None or kernel32().WaitForSingleObject(process, 0) != _TIMED_OUT:
            return None
        times = [ctypes.c_uint64() for _ in range(4)]
        known = kernel32().GetProcessTimes(process, *(ctypes.byref(one) for one in times))
        return times[0].value if known else None


def kill(pid: int) -> None:
    """End a process, at once, if there is one that may be."""
    with _opened(pid, _TERMINATE) as process:
        if process is not None:
            kernel32().TerminateProcess(process, 128 + 9)


def interrupt(group: int) -> None:
    """Press Ctrl+Break for a group of processes of this console; who has another one hears nothing."""
    # Not by os.kill, which ends the process at once where this fails.
    kernel32().GenerateConsoleCtrlEvent(_CTRL_BREAK, group)


def wait(pid: int) -> None:
    """Return when a process has ended; it may take for ever."""
    with _opened(pid, _SYNCHRONIZE) as process:
        if process is not None:
            kernel32().WaitForSingleObject(process, _FOREVER)


@contextmanager
def _opened(pid: int, access: int) -> Iterator[int | None]:
    process = kernel32().OpenProcess(access, False, pid)
    try:
        yield process
    finally:
        if process is not None:
            kernel32().CloseHandle(process)
