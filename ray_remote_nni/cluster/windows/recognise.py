"""Whether a machine runs Windows, whichever shell its SSH server starts.

Two commands are asked of a machine whose login shell knows no sh. They are the same for cmd and for PowerShell.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal
from weakref import WeakKeyDictionary

from ray_remote_nni.cluster.transport import Transport, read_all

#: cmd fills in the first variable, PowerShell the second, and no other shell gives either of them this value.
_PROBE = "echo ray-nni:%OS% ray-nni:$env:OS"
_ANSWER = re.compile(r"ray-nni:Windows_NT\s+ray-nni:|ray-nni:%OS%\s+ray-nni:Windows_NT")
_VERSION = "cmd /c ver"


@dataclass(frozen=True)
class WindowsShell:
    """The shell that the SSH server of a Windows machine starts; `build` of Windows is None where it does not tell."""

    kind: Literal["cmd", "PowerShell"]
    build: int | None


_KNOWN: WeakKeyDictionary[Transport, WindowsShell | None] = WeakKeyDictionary()


async def windows_shell(transport: Transport) -> WindowsShell | None:
    """Return the shell of a machine that runs Windows, None of another; it is asked once in the life of a connection.

    Raises MachineError where the machine does not answer any more.
    """
    if transport not in _KNOWN:
        _KNOWN[transport] = await _recognise(transport)
    return _KNOWN[transport]


def windows_known(transport: Transport) -> WindowsShell | None:
    """Return the shell of a machine that was found to run Windows; None where that was not asked, too."""
    return _KNOWN.get(transport)


async def _recognise(transport: Transport) -> WindowsShell | None:
    answer = _ANSWER.search(await said_by(transport, _PROBE))
    if answer is None:
        return None
    # "Microsoft Windows [Version 10.0.17763.5576]", the word in the machine's own language.
    version = re.search(r"\[\D*\d+\.\d+\.(\d+)[\d.]*\]", await said_by(transport, _VERSION))
    return WindowsShell(
        "PowerShell" if "%OS%" in answer[0] else "cmd", int(version[1]) if version is not None else None
    )


async def said_by(transport: Transport, command: str) -> str:
    """Return what a command prints, as far as it is ASCII: in which code page, or in UTF-16, no one tells."""
    async with transport.run(command) as stream:
        stream.write_eof()
        printed = await read_all(stream)
        await stream.wait()
    return printed.replace(b"\0", b"").decode("ascii", errors="replace")
