"""A job object: the processes in it, all that they start, and the end of them all when its handle is closed."""

from __future__ import annotations

import ctypes

from ray_remote_nni.guard.windows.kernel import checked, kernel32

_ACCOUNTING, _PROCESS_IDS, _LIMITS = 1, 3, 9
_KILL_ON_CLOSE = 0x2000
_MOST_PROCESSES = 4096


class _Limits(ctypes.Structure):
    """JOBOBJECT_EXTENDED_LIMIT_INFORMATION."""

    _fields_ = (
        ("times", ctypes.c_int64 * 2),
        ("flags", ctypes.c_uint32),
        ("working_set", ctypes.c_size_t * 2),
        ("processes", ctypes.c_uint32),
        ("affinity", ctypes.c_size_t),
        ("classes", ctypes.c_uint32 * 2),
        ("io", ctypes.c_uint64 * 6),
        ("memory", ctypes.c_size_t * 4),
    )


class _Accounting(ctypes.Structure):
    """JOBOBJECT_BASIC_ACCOUNTING_INFORMATION."""

    _fields_ = (
        ("times", ctypes.c_int64 * 4),
        ("page_faults", ctypes.c_uint32),
        ("total", ctypes.c_uint32),
        ("active", ctypes.c_uint32),
        ("terminated", ctypes.c_uint32),
    )


class _ProcessIds(ctypes.Structure):
    """JOBOBJECT_BASIC_PROCESS_ID_LIST."""

    _fields_ = (
        ("assigned", ctypes.c_uint32),
        ("listed", ctypes.c_uint32),
        ("pids", ctypes.c_size_t * _MOST_PROCESSES),
    )


class Job:
    """A new job. Nothing in it can leave it, and nothing in it outlives this process. Raises OSError."""

    def __init__(self) -> None:
        # Nobody inherits the handle, so it is the last one.
        self._handle = checked(kernel32().CreateJobObjectW(None, None))
        limits = _Limits(flags=_KILL_ON_CLOSE)
        checked(kernel32().SetInformationJobObject(self._handle, _LIMITS, ctypes.byref(limits), ctypes.sizeof(limits)))

    def take(self, process_handle: int) -> None:
        """Put a process into it, which has started nothing yet."""
        checked(kernel32().AssignProcessToJobObject(self._handle, process_handle))

    def active(self) -> int:
        """Return how many processes are in it."""
        if self._handle is None:
            return 0
        found = _Accounting()
        self._query(_ACCOUNTING, found)
        return int(found.active)

    def pids(self) -> list[int]:
        """Return which they are."""
        found = _ProcessIds()
        self._query(_PROCESS_IDS, found)
        return list(found.pids[: found.listed])

    def terminate(self, exit_code: int) -> None:
        """End them all, at once."""
        checked(kernel32().TerminateJobObject(self._handle, exit_code))

    def close(self) -> None:
        """End what is left; more than once does no harm."""
        if self._handle is not None:
            kernel32().CloseHandle(self._handle)
            self._handle = None

    def _query(self, kind: int, found: ctypes.Structure) -> None:
        size = ctypes.sizeof(found)
        checked(kernel32().QueryInformationJobObject(self._handle, kind, ctypes.byref(found), size, None))
