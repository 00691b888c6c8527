"""A machine that runs Windows is recognised, whatever its shell, code page and language, and no other is."""

from __future__ import annotations

import asyncio
import base64
import shlex
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from shells import SHELLS, set_login_shell
from ssh_machine import SshMachine

from ray_remote_nni.cluster.facts import Question, read_facts
from ray_remote_nni.cluster.ssh import connect
from ray_remote_nni.cluster.transport import Transport
from ray_remote_nni.cluster.windows import WindowsMachine, refuse_windows
from ray_remote_nni.errors import MachineError

QUESTION = Question("abc123", "0", (), ports=1, first_port=20000, last_port=20999)
CMD = b"ray-nni:Windows_NT ray-nni:$env:OS\r\n"
POWERSHELL = b"ray-nni:%OS%\r\nray-nni:Windows_NT\r\n"
NOT_KNOWN = b"'exec' is not recognized as an internal or external command,\r\noperable program or batch file.\r\n"
#: exec in PowerShell, of a Windows in German, in its code page 850.
UNBEKANNT = 'exec : Die Benennung "exec" wurde nicht als Name eines Cmdlet erkannt. Überprüfen Sie'.encode("cp850")


def windows(machine: SshMachine, echo: bytes, ver: bytes, error: bytes = NOT_KNOWN) -> SshMachine:
    """Have the machine answer as a Windows does."""

    def said(text: bytes) -> str:
        return f"echo {shlex.quote(base64.b64encode(text).decode())} | base64 -d"

    script = machine.home / "shell"
    script.write_text(
        f"""#!/bin/sh
case "$1" in
"echo ray-nni:%OS% ray-nni:\\$env:OS") {said(echo)} ;;
"cmd /c ver") {said(ver)} ;;
*) {said(error)} >&2; exit 1 ;;
esac
"""
    )
    machine.shell = ("/bin/sh", str(script))
    return machine


def on(machine: SshMachine, known_hosts: Path, work: Callable[[Transport], Awaitable[object]]) -> None:
    async def run() -> None:
        async with machine.running():
            known_hosts.write_text(machine.known_hosts_line())
            transport = await connect(machine.login())
            try:
                await work(transport)
            finally:
                await transport.close()

    asyncio.run(run())


@pytest.mark.parametrize(
    ("echo", "ver", "error", "shell", "build"),
    [
        (CMD, b"\r\nMicrosoft Windows [Version 10.0.17763.5576]\r\n", NOT_KNOWN, "cmd", 17763),
        (CMD, "\r\nMicrosoft Windows [versión 10.0.19045.3930]\r\n".encode("cp850"), NOT_KNOWN, "cmd", 19045),
        (POWERSHELL, b"\r\nMicrosoft Windows [Version 10.0.22631.3007]\r\n", UNBEKANNT, "PowerShell", 22631),
        (POWERSHELL.decode().encode("utf-16"), b"", UNBEKANNT, "PowerShell", None),
    ],
    ids=["cmd of Server 2019", "cmd of Windows 10 in Spanish", "PowerShell of Windows 11 in German", "UTF-16"],
)
def test_a_windows_machine_is_named_as_such_with_what_can_be_done(
    machine: SshMachine, known_hosts: Path, echo: bytes, ver: bytes, error: bytes, shell: str, build: int | None
) -> None:
    with pytest.raises(WindowsMachine) as caught:
        on(windows(machine, echo, ver, error), known_hosts, lambda t: read_facts(t, QUESTION, python_path=None))
    assert (caught.value.machine, caught.value.build) == ("127.0.0.1", build)
    assert f"({shell})" in caught.value.what
    assert "{'127.0.0.1': {enabled: false}}" in (caught.value.remedy or "")
    # Only there is the way out through WSL 2 one.
    assert ("WSL 2" in (caught.value.remedy or "")) == (build == 22631)
    assert len(machine.commands) == 3


@pytest.mark.parametrize("shell", SHELLS)
def test_no_other_shell_is_taken_for_windows(machine: SshMachine, known_hosts: Path, shell: str) -> None:
    set_login_shell(machine, shell)
    on(machine, known_hosts, refuse_windows)


def test_a_machine_with_neither_sh_nor_windows_is_told_by_what_it_said(machine: SshMachine, known_hosts: Path) -> None:
    machine.shell = ("/bin/sh", "-c", "echo This account is not available >&2; exit 1", "sh")
    with pytest.raises(MachineError, match="This account is not available") as caught:
        on(machine, known_hosts, lambda transport: read_facts(transport, QUESTION, python_path=None))
    assert not isinstance(caught.value, WindowsMachine)
