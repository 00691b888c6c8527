"""The functions of Windows that Python has none for, by their own names, with the types of what they take."""

from __future__ import annotations

import ctypes
from ctypes import wintypes
from functools import cache
from typing import Any

_HANDLE, _DWORD, _BOOL, _POINTER = wintypes.HANDLE, wintypes.DWORD, wintypes.BOOL, ctypes.c_void_p
#: Name: what it returns, and what it takes.
_FUNCTIONS: dict[str, tuple[Any, list[Any]]] = {
    "CreateJobObjectW": (_HANDLE, [_POINTER, wintypes.LPCWSTR]),
    "SetInformationJobObject": (_BOOL, [_HANDLE, ctypes.c_int, _POINTER, _DWORD]),
    "QueryInformationJobObject": (_BOOL, [_HANDLE, ctypes.c_int, _POINTER, _DWORD, _POINTER]),
    "AssignProcessToJobObject": (_BOOL, [_HANDLE, _HANDLE]),
    "TerminateJobObject": (_BOOL, [_HANDLE, wintypes.UINT]),
    "OpenProcess": (_HANDLE, [_DWORD, _BOOL, _DWORD]),
    "TerminateProcess": (_BOOL, [_HANDLE, wintypes.UINT]),
    "WaitForSingleObject": (_DWORD, [_HANDLE, _DWORD]),
    "GetProcessTimes": (_BOOL, [_HANDLE, _POINTER, _POINTER, _POINTER, _POINTER]),
    "CreateToolhelp32Snapshot": (_HANDLE, [_DWORD, _DWORD]),
    "Process32FirstW": (_BOOL, [_HANDLE, _POINTER]),
    "Process32NextW": (_BOOL, [_HANDLE, _POINTER]),
    "GenerateConsoleCtrlEvent": (_BOOL, [_DWORD, _DWORD]),
    "CloseHandle": (_BOOL, [_HANDLE]),
}


@cache
def kernel32() -> Any:
    """Return the library."""
    loader: Any = ctypes
    library = loader.WinDLL("kernel32", use_last_error=True)
    for name, (result, arguments) in _FUNCTIONS.items():
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments
    return library


@cache
def resume() -> Any:
    """Return the function that lets a process go on that was started suspended."""
    loader: Any = ctypes
    function = loader.WinDLL("ntdll").NtResumeProcess
    function.restype, function.argtypes = ctypes.c_long, [_HANDLE]
    return function


def checked(result: Any) -> Any:
    """Return what a function of the library returned. Raises OSError with the system's reason where it failed."""
    if not result:
        system: Any = ctypes
        raise system.WinError(system.get_last_error())
    return result
