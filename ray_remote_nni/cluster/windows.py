"""Machines that run Windows: recognised, whichever shell their SSH server starts, and told what they would need.

Two commands are asked of a machine whose login shell knows no sh. They are the same for cmd and for PowerShell.
"""

from __future__ import annotations

import re

from ray_remote_nni.cluster.transport import Transport
from ray_remote_nni.errors import MachineError

#: cmd fills in the first variable, PowerShell the second, and no other shell gives either of them this value.
_PROBE = "echo ray-nni:%OS% ray-nni:$env:OS"
_ANSWER = re.compile(r"ray-nni:Windows_NT\s+ray-nni:|ray-nni:%OS%\s+ray-nni:Windows_NT")
_VERSION = "cmd /c ver"
#: Windows 11 22H2, the first where a Linux in WSL 2 can have the machine's own addresses (networkingMode=mirrored).
_MIRRORED = 22621


class WindowsMachine(MachineError):
    """The machine runs Windows; `build` is the build of it, None where it does not tell."""

    def __init__(self, host: str, shell: str, build: int | None) -> None:
        which = f"Windows, build {build}" if build is not None else "Windows"
        remedy = f"Leave it out: `ray: {{machines: {{'{host}': {{enabled: false}}}}}}`."
        if build is not None and build >= _MIRRORED:
            remedy += (
                " Or install WSL 2 there with networkingMode=mirrored and an SSH server in it on a port of its own: "
                "that is a Linux machine, to be listed with that port."
            )
        super().__init__(
            host,
            f"it runs {which} ({shell}). Nodes need Linux: on Windows Ray is in beta, and what ends the processes of "
            "trials there is missing here.",
            remedy,
        )
        self.build = build


async def refuse_windows(transport: Transport) -> None:
    """Raise WindowsMachine if the machine runs Windows. Raises MachineError where it does not answer any more."""
    answer = _ANSWER.search(await _ask(transport, _PROBE))
    if answer is None:
        return
    shell = "PowerShell" if "%OS%" in answer[0] else "cmd"
    # "Microsoft Windows [Version 10.0.17763.5576]", the word in the machine's own language.
    version = re.search(r"\[\D*\d+\.\d+\.(\d+)[\d.]*\]", await _ask(transport, _VERSION))
    raise WindowsMachine(transport.host, shell, int(version[1]) if version is not None else None)


async def _ask(transport: Transport, command: str) -> str:
    """Return what a command prints, as far as it is ASCII: in which code page, or in UTF-16, no one tells."""
    async with transport.run(command) as stream:
        stream.write_eof()
        printed = b""
        while part := await stream.read(65536):
            printed += part
        await stream.wait()
    return printed.replace(b"\0", b"").decode("ascii", errors="replace")
