"""A machine in this process that answers as a Windows does, and the text that real ones answered."""

from __future__ import annotations

import asyncio
import base64
import shlex
from collections.abc import Awaitable, Callable
from pathlib import Path

from ssh_machine import SshMachine

from ray_remote_nni.cluster.ssh import connect
from ray_remote_nni.cluster.transport import Transport

CMD = b"ray-nni:Windows_NT ray-nni:$env:OS\r\n"
POWERSHELL = b"ray-nni:%OS%\r\nray-nni:Windows_NT\r\n"
SERVER_2019 = b"\r\nMicrosoft Windows [Version 10.0.17763.5576]\r\n"
NOT_KNOWN = b"'exec' is not recognized as an internal or external command,\r\noperable program or batch file.\r\n"


def windows(
    machine: SshMachine, echo: bytes, ver: bytes = SERVER_2019, error: bytes = NOT_KNOWN, other: bytes | None = None
) -> SshMachine:
    """Have the machine answer as a Windows does, every other command with `other`, or as one that it does not know.

    What is sent to such a command is kept in a file `received` in its home.
    """

    def said(text: bytes) -> str:
        return f"echo {shlex.quote(base64.b64encode(text).decode())} | base64 -d"

    rest = f"cat >received; {said(other)}" if other is not None else f"{said(error)} >&2; exit 1"
    script = machine.home / "shell"
    script.write_text(
        f"""#!/bin/sh
case "$1" in
"echo ray-nni:%OS% ray-nni:\\$env:OS") {said(echo)} ;;
"cmd /c ver") {said(ver)} ;;
"exec sh -s") {said(error)} >&2; exit 1 ;;
*) {rest} ;;
esac
"""
    )
    machine.shell = ("/bin/sh", str(script))
    return machine


def on(machine: SshMachine, known_hosts: Path, work: Callable[[Transport], Awaitable[object]]) -> None:
    """Do something over SSH."""

    async def run() -> None:
        async with machine.running():
            known_hosts.write_text(machine.known_hosts_line())
            transport = await connect(machine.login())
            try:
                await work(transport)
            finally:
                await transport.close()

    asyncio.run(run())
