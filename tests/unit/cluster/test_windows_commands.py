"""Python on a Windows machine: found, started by its shell, and asked for the machine's facts in one round trip."""

from __future__ import annotations

import ast
import base64
import json
import time
from pathlib import Path

import pytest
from ssh_machine import SshMachine
from windows_machine import CMD, POWERSHELL, on, windows

from ray_remote_nni.cluster import remote
from ray_remote_nni.cluster.facts import MachineFacts, Question, read_facts
from ray_remote_nni.cluster.interpreter import LOADER
from ray_remote_nni.cluster.module import run_module
from ray_remote_nni.cluster.transport import Transport
from ray_remote_nni.cluster.windows.commands import (
    candidates,
    delete_experiment,
    first_python,
    is_windows_path,
    list_marks,
)
from ray_remote_nni.cluster.windows.recognise import WindowsShell
from ray_remote_nni.cluster.windows.relay import RELAY
from ray_remote_nni.errors import MachineError

QUESTION = Question("abc123", "0", ("ray", "numpy"), ports=2, first_port=20000, last_port=20999)
CMD_SHELL, POWERSHELL_SHELL = WindowsShell("cmd", 17763), WindowsShell("PowerShell", 22631)
#: What Python 3.11.9 for Windows answered to facts.py and windows_facts.py, in wine 8.0 as Windows 10.
ANSWER = (
    b'\r\n{"system": "Windows", "system_name": "Windows 10 (build 18362)", "architecture": "AMD64", "libc": "", '
    b'"hostname": "vm", "home": "C:/users/alice", "write_problem": "", "free_bytes": 74578612224, "cpus": 2, '
    b'"memory_bytes": 25276506112, "python": "C:\\\\Python311\\\\python.exe", "python_version": [3, 11, 9], '
    b'"distributions": {"ray": "2.60.0"}, "ray_has_dashboard": true, "gpus": [], "addresses": ["192.0.2.2"], '
    b'"ssh_address": "", "hostname_resolves": true, "taken_ports": [], "clock": 1795781000.5, '
    b'"free_ports": [20087, 20712], "installed": [], "guard": null}\r\n'
)
NO_SUCH = b"'python' is not recognized as an internal or external command,\r\noperable program or batch file.\r\n"


@pytest.mark.parametrize("path", [r"C:\Python312", "c:/Python312", r"\\server\share\python", r"D:\x\python.exe"])
def test_a_path_of_windows_is_known_by_its_drive(path: str) -> None:
    assert is_windows_path(path)


@pytest.mark.parametrize("path", ["/usr/bin/python3", "python", "~/python", "relative/python"])
def test_a_path_of_others_is_not(path: str) -> None:
    assert not is_windows_path(path)


def test_a_python_is_in_its_folder_or_in_scripts_below() -> None:
    assert candidates("C:/Users/alice/miniconda3", None) == (
        r"C:\Users\alice\miniconda3\python.exe",
        r"C:\Users\alice\miniconda3\Scripts\python.exe",
    )
    assert candidates(r"~\venv", None)[1] == r"~\venv\Scripts\python.exe"
    assert candidates(None, r"C:\p\python.exe") == (r"C:\p\python.exe",)
    assert candidates(None, None)[0] == "python"


def test_cmd_tries_one_python_after_the_other() -> None:
    line = first_python(CMD_SHELL, ("python", r"~\mini conda\python.exe"), ("-E", "-"))
    assert line == r'"python" "-E" "-" || "%USERPROFILE%\mini conda\python.exe" "-E" "-" || echo no python'


def test_powershell_tries_one_python_after_the_other_and_relays() -> None:
    line = first_python(POWERSHELL_SHELL, ("python", r"~\it's\python.exe"), ("-E", "-"))
    assert r"@('python', ($env:USERPROFILE + '\it''s\python.exe'))" in line
    assert "& $python -E -S -c 'import base64; exec(base64.b64decode(''" in line
    assert line.endswith("'no python'")
    assert '"' not in RELAY


@pytest.mark.parametrize("echo", [CMD, POWERSHELL])
def test_no_command_line_is_longer_than_windows_takes(echo: bytes) -> None:
    shell = CMD_SHELL if echo == CMD else POWERSHELL_SHELL
    # cmd takes 8191 characters; a new process 32767.
    assert len(first_python(shell, candidates(None, None), ("-E", "-c", LOADER))) < (8191 if echo == CMD else 32767)


def test_the_facts_of_a_windows_machine_come_in_one_round_trip(machine: SshMachine, known_hosts: Path) -> None:
    async def ask(transport: Transport) -> None:
        facts = await read_facts(transport, QUESTION, python_path=r"C:\Python311")
        assert facts.clock_skew_s == pytest.approx(1795781000.5 - time.time(), abs=60)
        assert (facts.system, facts.home, facts.python) == ("Windows", "C:/users/alice", r"C:\Python311\python.exe")
        assert (facts.python_version, facts.free_ports) == ((3, 11, 9), (20087, 20712))
        assert isinstance(facts, MachineFacts)
        # Now that it is known for what it is, it is asked at once.
        await read_facts(transport, QUESTION, python_path=None, python=r"C:\Python312\python.exe")

    on(windows(machine, CMD, other=ANSWER), known_hosts, ask)
    assert len(machine.commands) == 5
    assert machine.commands[3].startswith(r'"C:\Python311\python.exe" "-E" "-c" ')
    assert machine.commands[4].startswith(r'"C:\Python312\python.exe" "-E" "-c" ')
    size, _, source = (machine.home / "received").read_bytes().partition(b"\n")
    assert int(size) == len(source)
    compile(source, "facts", "exec")


def test_what_takes_the_place_of_a_function_is_asked_in_the_same_way() -> None:
    def functions(name: str) -> dict[str, str]:
        tree = ast.parse((Path(remote.__file__).parent / name).read_text(encoding="utf-8"))
        return {node.name: ast.unparse(node.args) for node in tree.body if isinstance(node, ast.FunctionDef)}

    there, here = functions("windows_facts.py"), functions("facts.py")
    assert {"memory_bytes", "system_name", "is_free", "owners", "guard"} == there.keys() & here.keys()
    assert all(there[name] == here[name] for name in there.keys() & here.keys())


def test_a_windows_machine_without_python_is_told_so(machine: SshMachine, known_hosts: Path) -> None:
    with pytest.raises(MachineError, match="neither python3 nor python in its PATH"):
        on(
            windows(machine, CMD, other=NO_SUCH + b"no python\r\n"),
            known_hosts,
            lambda transport: read_facts(transport, QUESTION, python_path=None),
        )


def test_what_goes_wrong_in_its_python_is_told(machine: SshMachine, known_hosts: Path) -> None:
    failed = b"Traceback (most recent call last):\r\nOSError: [WinError 5] Access is denied\r\n"
    with pytest.raises(MachineError, match="Access is denied"):
        on(windows(machine, CMD, other=failed), known_hosts, lambda t: read_facts(t, QUESTION, python_path=None))


def test_a_module_that_bears_a_nodes_mark_gets_it_as_an_argument(machine: SshMachine, known_hosts: Path) -> None:
    async def run(transport: Transport) -> None:
        async with run_module(
            transport, r"C:\p y\python.exe", "C:/l", "a.module", ("--x",), mark="C:/Users/al ice/0"
        ) as stream:
            stream.write_eof()
            await stream.wait()

    on(windows(machine, CMD, other=b""), known_hosts, run)
    line = machine.commands[-1]
    assert line.startswith(r'"C:\p y\python.exe" "-S" "-E" "-c" "import sys; print(); ')
    assert "flush=True); import os; os.environ['RAY_NNI_NODE'] = sys.argv.pop(1); sys.path[0] = sys.argv.pop(1)" in line
    assert line.endswith(' "C:/Users/al ice/0" "C:/l" "--x"')


def test_the_marks_of_lost_nodes_are_listed_by_either_shell() -> None:
    assert list_marks(CMD_SHELL).startswith(r'for /d %c in ("%USERPROFILE%\.ray-nni\clusters\*") do ')
    assert list_marks(POWERSHELL_SHELL).startswith(r"Get-ChildItem ($env:USERPROFILE + '\.ray-nni\clusters\*\*")


def test_an_experiment_is_deleted_by_either_shell() -> None:
    assert r'rmdir /s /q "%USERPROFILE%\.ray-nni\experiments\k3f9x2ab"' in delete_experiment(CMD_SHELL, "k3f9x2ab")
    assert r"'\.ray-nni\experiments\k3f9x2ab'" in delete_experiment(POWERSHELL_SHELL, "k3f9x2ab")
    with pytest.raises(ValueError, match="no experiment"):
        delete_experiment(CMD_SHELL, r"..\..")


def test_the_relay_carries_the_program_and_its_answer_through_lines_of_text(
    machine: SshMachine, known_hosts: Path
) -> None:
    # What a PowerShell with a noisy profile makes of what its Python prints.
    answer = b"Loading personal profiles took 912ms.\r\n\r\n-- ray-nni relay --\r\n"
    answer += base64.encodebytes(ANSWER).replace(b"\n", b"\r\n")

    async def ask(transport: Transport) -> None:
        assert (await read_facts(transport, QUESTION, python_path=None)).hostname == "vm"

    on(windows(machine, POWERSHELL, other=answer), known_hosts, ask)
    argv, *lines = (machine.home / "received").read_bytes().splitlines()
    assert json.loads(base64.b64decode(argv)) == ["", "-E", "-c", LOADER]
    size, _, source = b"".join(map(base64.b64decode, lines)).partition(b"\n")
    assert int(size) == len(source)
