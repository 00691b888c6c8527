"""What `facts.py` asks of Linux alone, asked of Windows: sent after it, these take the place of its functions.

Runs in any Python 3.6 and up.
"""

import ctypes
import json
import platform
import socket
import sys

_QUERY_LIMITED_INFORMATION = 0x1000
_STILL_ACTIVE = 259


class MemoryStatus(ctypes.Structure):
    """The beginning of MEMORYSTATUSEX, and the room that the rest takes."""

    _fields_ = [
        ("length", ctypes.c_uint32),
        ("load", ctypes.c_uint32),
        ("total", ctypes.c_uint64),
        ("rest", ctypes.c_uint64 * 6),
    ]


def kernel32():
    """Return the system's library."""
    return ctypes.WinDLL("kernel32")


def memory_bytes():
    """Return the size of the memory, None where the system does not tell."""
    status = MemoryStatus(length=ctypes.sizeof(MemoryStatus))
    return status.total if kernel32().GlobalMemoryStatusEx(ctypes.byref(status)) else None


def system_name():
    """Return what the operating system is called, with its build, which tells one from another."""
    version = sys.getwindowsversion()
    return f"Windows {platform.release()} (build {version.build})"


def is_free(port):
    """Tell whether nothing listens on a TCP port, at all addresses of both kinds."""
    for family, address in ((socket.AF_INET, ""), (socket.AF_INET6, "::")):
        try:
            with socket.socket(family) as probe:
                # Others could share it otherwise, and be shared with.
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_EXCLUSIVEADDRUSE, 1)
                if family == socket.AF_INET6:
                    probe.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
                probe.bind((address, port))
        except OSError:
            # A machine may have no IPv6.
            if family == socket.AF_INET:
                return False
    return True


def owners(ports, clusters, guard_file):
    """Return [port, ""] for each TCP port that is taken; whose it is no table tells that Python can read here."""
    return [[port, ""] for port in sorted(ports)]


def guard(path):
    """Return the PID of a guard of ours that runs here and wrote this file, None where there is none."""
    try:
        with open(path) as file:
            known = json.load(file)
    except (OSError, ValueError):
        return None
    return known["pid"] if started(known["pid"]) == known["start_ticks"] else None


def started(pid):
    """Return when a process started, in ticks of 100 ns; None where there is no such process any more."""
    library = kernel32()
    library.OpenProcess.restype = ctypes.c_void_p
    handle = ctypes.c_void_p(library.OpenProcess(_QUERY_LIMITED_INFORMATION, False, pid))
    if not handle:
        return None
    times = [ctypes.c_uint64() for _ in range(4)]
    code = ctypes.c_uint32()
    found = library.GetProcessTimes(handle, *(ctypes.byref(one) for one in times))
    runs = library.GetExitCodeProcess(handle, ctypes.byref(code)) and code.value == _STILL_ACTIVE
    library.CloseHandle(handle)
    return times[0].value if found and runs else None
