"""A machine that runs Windows is recognised, whatever its shell, code page and language, and no other is."""

from __future__ import annotations

from pathlib import Path

import pytest
from shells import SHELLS, set_login_shell
from ssh_machine import SshMachine
from windows_machine import CMD, NOT_KNOWN, POWERSHELL, SERVER_2019, on, windows

from ray_remote_nni.cluster.facts import Question, read_facts
from ray_remote_nni.cluster.interpreter import run_python
from ray_remote_nni.cluster.transport import Transport
from ray_remote_nni.cluster.windows.recognise import windows_shell
from ray_remote_nni.errors import MachineError

QUESTION = Question("abc123", "0", (), ports=1, first_port=20000, last_port=20999)
#: exec in PowerShell, of a Windows in German, in its code page 850.
UNBEKANNT = 'exec : Die Benennung "exec" wurde nicht als Name eines Cmdlet erkannt. Überprüfen Sie'.encode("cp850")


@pytest.mark.parametrize(
    ("echo", "ver", "error", "kind", "build"),
    [
        (CMD, SERVER_2019, NOT_KNOWN, "cmd", 17763),
        (CMD, "\r\nMicrosoft Windows [versión 10.0.19045.3930]\r\n".encode("cp850"), NOT_KNOWN, "cmd", 19045),
        # wine 8.0
        (CMD, b"\r\nMicrosoft Windows 10.0.18362\r\n", b"Can't recognize 'exec'\r\n", "cmd", None),
        (POWERSHELL, b"\r\nMicrosoft Windows [Version 10.0.22631.3007]\r\n", UNBEKANNT, "PowerShell", 22631),
        (POWERSHELL.decode().encode("utf-16"), b"", UNBEKANNT, "PowerShell", None),
    ],
    ids=["cmd of Server 2019", "cmd of Windows 10 in Spanish", "wine", "PowerShell of Windows 11 in German", "UTF-16"],
)
def test_the_shell_of_a_windows_machine_is_known(
    machine: SshMachine, known_hosts: Path, echo: bytes, ver: bytes, error: bytes, kind: str, build: int | None
) -> None:
    async def look(transport: Transport) -> None:
        shell = await windows_shell(transport)
        assert shell is not None
        assert (shell.kind, shell.build) == (kind, build)

    on(windows(machine, echo, ver, error), known_hosts, look)


def test_a_connection_asks_once(machine: SshMachine, known_hosts: Path) -> None:
    async def look(transport: Transport) -> None:
        assert await windows_shell(transport) == await windows_shell(transport)

    on(windows(machine, CMD), known_hosts, look)
    assert len(machine.commands) == 2


@pytest.mark.parametrize("shell", SHELLS)
def test_no_other_shell_is_taken_for_windows(machine: SshMachine, known_hosts: Path, shell: str) -> None:
    async def look(transport: Transport) -> None:
        assert await windows_shell(transport) is None

    set_login_shell(machine, shell)
    on(machine, known_hosts, look)


def test_a_machine_with_neither_sh_nor_windows_is_told_by_what_it_said(machine: SshMachine, known_hosts: Path) -> None:
    machine.shell = ("/bin/sh", "-c", "echo This account is not available >&2; exit 1", "sh")
    with pytest.raises(MachineError, match="This account is not available"):
        on(machine, known_hosts, lambda transport: read_facts(transport, QUESTION, python_path=None))


def test_a_windows_machine_whose_ssh_starts_bash_is_told_to_start_cmd(machine: SshMachine, known_hosts: Path) -> None:
    async def run(transport: Transport) -> None:
        async with run_python(transport, r"C:\Python312\python.exe", ("-V",)):
            pass

    set_login_shell(machine, "bash", noisy=False)
    with pytest.raises(MachineError, match="neither cmd nor PowerShell"):
        on(machine, known_hosts, run)
