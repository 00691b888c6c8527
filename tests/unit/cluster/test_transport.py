"""Commands, scripts and Python code on a machine, here and over SSH, whatever the login shell says and does."""

from __future__ import annotations

import asyncio
import io
import os
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

import pytest
from shells import NOISY_SHELLS, SHELLS, set_login_shell
from ssh_machine import HOST, SshMachine

import ray_remote_nni
from ray_remote_nni.cluster import transport as transports
from ray_remote_nni.cluster.interpreter import call_python
from ray_remote_nni.cluster.local import LocalTransport
from ray_remote_nni.cluster.module import ask_module
from ray_remote_nni.cluster.ssh import connect
from ray_remote_nni.cluster.transport import Transport, quote, run_shell
from ray_remote_nni.errors import MachineError
from ray_remote_nni.guard.processes import command_of

LIBRARY = str(Path(ray_remote_nni.__file__).parents[1])
AWKWARD = [
    "a b",
    "$HOME",
    "`id`",
    'say "hi"',
    "*",
    "~",
    "",
    "é",
    "#x",
    "{a,b}",
    "a\\b",
    "end\\",
    "it's",
    "wow!",
    "!!",
    "a;b",
]

T = TypeVar("T")


def on_local(work: Callable[[Transport], Awaitable[T]]) -> T:
    async def up() -> T:
        return await work(LocalTransport())

    return asyncio.run(up())


def over_ssh(machine: SshMachine, known_hosts: Path, work: Callable[[Transport], Awaitable[T]]) -> T:
    async def up() -> T:
        async with machine.running():
            known_hosts.write_text(machine.known_hosts_line())
            transport = await connect(machine.login())
            try:
                return await work(transport)
            finally:
                await transport.close()

    return asyncio.run(up())


def module(tmp_path: Path, body: str) -> Path:
    file = tmp_path / "sent.py"
    file.write_text(f"def main(arguments, stream):\n    {body}\n")
    return file


@pytest.mark.parametrize("shell", SHELLS)
def test_every_login_shell_reads_a_quoted_argument_as_one_word(
    machine: SshMachine, known_hosts: Path, shell: str
) -> None:
    set_login_shell(machine, shell, noisy=False)
    plain = [word for word in AWKWARD if not set(word) & set("'\\!")]

    async def work(transport: Transport) -> str:
        async with transport.run(f"exec printf '%s|' {' '.join(map(quote, plain))}") as stream:
            stream.write_eof()
            return (await stream.read(10_000)).decode()

    assert over_ssh(machine, known_hosts, work) == "|".join([*plain, ""])


def test_a_line_break_cannot_be_quoted_for_every_shell() -> None:
    with pytest.raises(ValueError, match="line break"):
        quote("a\nb")


@pytest.mark.parametrize("shell", SHELLS)
def test_a_script_runs_in_sh_whatever_the_login_shell_is_and_prints(
    machine: SshMachine, known_hosts: Path, shell: str
) -> None:
    set_login_shell(machine, shell)
    script = 'for n in 1 2; do\n  [ -n "$n" ] && echo "it\'s $n!"\ndone\ncat <<\'END\'\n$HOME\nEND'
    assert over_ssh(machine, known_hosts, lambda t: run_shell(t, script)) == "it's 1!\nit's 2!\n$HOME\n"


@pytest.mark.parametrize("shell", NOISY_SHELLS)
def test_the_noise_of_these_shells_is_real(machine: SshMachine, known_hosts: Path, shell: str) -> None:
    set_login_shell(machine, shell)

    async def work(transport: Transport) -> bytes:
        async with transport.run("echo out") as stream:
            stream.write_eof()
            return await stream.read(1000)

    assert over_ssh(machine, known_hosts, work).startswith(b"Welcome!")


def test_a_script_does_not_read_itself(home: Path) -> None:
    assert on_local(lambda t: run_shell(t, "cat; echo end")) == "end\n"


def test_no_word_of_a_script_is_in_the_list_of_processes(home: Path) -> None:
    said = on_local(lambda t: run_shell(t, "tr '\\0' ' ' </proc/$$/cmdline; : secret-word"))
    assert "secret-word" not in said


def test_a_login_shell_that_runs_nothing_is_told_with_its_last_words(machine: SshMachine, known_hosts: Path) -> None:
    machine.shell = ("/bin/sh", "-c", "echo 'This account is not available.'; exit 1")
    with pytest.raises(MachineError, match=r"exit code 1: This account is not available"):
        over_ssh(machine, known_hosts, lambda t: run_shell(t, "true"))


@pytest.mark.parametrize(
    "line", ["exit", "exec 1>&2", "read -p 'Who? ' who", "exec sh", "exec bash --norc", "exec tmux"]
)
def test_a_start_up_file_that_is_not_made_for_commands_is_told_with_how_to_see_that(
    machine: SshMachine, known_hosts: Path, line: str
) -> None:
    set_login_shell(machine, "bash")
    (machine.home / ".bashrc").write_text(f"{line}\n")
    with pytest.raises(MachineError, match="did not run a command") as caught:
        over_ssh(machine, known_hosts, lambda t: run_shell(t, "touch ran; echo hello"))
    assert f"ssh {HOST} echo ok" in str(caught.value)
    assert (machine.home / "ran").exists() == (line == "exec 1>&2")


def test_a_start_up_file_that_leaves_something_in_the_background_is_told_soon(
    machine: SshMachine, known_hosts: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transports, "_END_PATIENCE_S", 0.2)
    set_login_shell(machine, "bash")
    (machine.home / ".bashrc").write_text("sleep 3 &\n")
    with pytest.raises(MachineError, match=r"in the background that holds its output open.*&1"):
        over_ssh(machine, known_hosts, lambda t: run_shell(t, "echo hello"))


def test_what_a_script_prints_is_returned_to_the_last_byte_however_it_ends(home: Path) -> None:
    assert on_local(lambda t: run_shell(t, "printf 'no line break'; exit 3; echo more")) == "no line break"


@pytest.mark.parametrize("shell", SHELLS)
def test_python_code_runs_without_being_there_whatever_the_login_shell_is_and_prints(
    machine: SshMachine, known_hosts: Path, tmp_path: Path, shell: str
) -> None:
    set_login_shell(machine, shell)
    sent = module(tmp_path, "print('noise'); return [arguments, stream.read().decode()]")
    arguments = {"word": 'it\'s "quoted"', "number": 1.5, "none": None}

    def work(transport: Transport) -> Awaitable[Any]:
        return call_python(transport, sys.executable, sent, arguments, io.BytesIO(b"the data"))

    assert over_ssh(machine, known_hosts, work) == [arguments, "the data"]


def test_an_exception_in_sent_code_is_told_in_one_line(home: Path, tmp_path: Path) -> None:
    sent = module(tmp_path, "raise RuntimeError('the disk is full')")
    with pytest.raises(MachineError) as caught:
        on_local(lambda t: call_python(t, sys.executable, sent, {}, io.BytesIO()))
    assert str(caught.value) == "localhost: RuntimeError: the disk is full"


def test_a_python_that_is_not_there_is_told(home: Path, tmp_path: Path) -> None:
    sent = module(tmp_path, "return 1")
    with pytest.raises(MachineError, match="/no/such/python"):
        on_local(lambda t: call_python(t, "/no/such/python", sent, {}, io.BytesIO()))


@pytest.mark.parametrize("where", ["here", "over ssh"])
def test_code_that_does_not_read_its_data_does_not_block_the_sender(
    machine: SshMachine, known_hosts: Path, tmp_path: Path, where: str
) -> None:
    sent = module(tmp_path, "return 'done'")

    def work(transport: Transport) -> Awaitable[Any]:
        return call_python(transport, sys.executable, sent, {}, io.BytesIO(bytes(10_000_000)))

    assert (on_local(work) if where == "here" else over_ssh(machine, known_hosts, work)) == "done"


def test_much_data_arrives_whole(machine: SshMachine, known_hosts: Path, tmp_path: Path) -> None:
    data = bytes(range(256)) * 20_000
    sent = module(tmp_path, "import hashlib; return hashlib.sha256(stream.read()).hexdigest()")
    import hashlib

    def work(transport: Transport) -> Awaitable[Any]:
        return call_python(transport, sys.executable, sent, {}, io.BytesIO(data))

    assert over_ssh(machine, known_hosts, work) == hashlib.sha256(data).hexdigest()


def test_no_argument_of_sent_code_is_in_the_list_of_processes(home: Path, tmp_path: Path) -> None:
    sent = module(tmp_path, "return open('/proc/self/cmdline').read()")
    said = on_local(lambda t: call_python(t, sys.executable, sent, {"word": "secret-word"}, io.BytesIO()))
    assert "secret-word" not in said


def test_a_module_of_ours_answers(home: Path) -> None:
    question = {"experiment": "abc", "code": "0123"}
    asked = on_local(lambda t: ask_module(t, sys.executable, LIBRARY, "ray_remote_nni.experiment.receive", question))
    assert asked == {"code": False}


def test_a_module_that_fails_is_told_by_its_last_line(home: Path) -> None:
    with pytest.raises(MachineError, match="localhost: KeyError: 'experiment'"):
        on_local(lambda t: ask_module(t, sys.executable, LIBRARY, "ray_remote_nni.experiment.receive", {}))


def test_a_local_command_ends_with_its_context_and_so_do_its_children(home: Path) -> None:
    async def work(transport: Transport) -> list[int]:
        async with transport.run("sleep 60 & echo $$; echo $!; wait") as stream:
            return [int(await anext(stream.lines())) for _ in range(2)]

    shell, child = on_local(work)
    deadline = time.monotonic() + 5
    while command_of(shell) or command_of(child):
        assert time.monotonic() < deadline


def test_a_ctrl_c_at_the_terminal_does_not_reach_a_local_command(home: Path) -> None:
    said = on_local(lambda t: run_shell(t, "ps -o pgid= -p $$"))
    assert int(said) != os.getpgrp()


@pytest.mark.parametrize("shell", SHELLS)
def test_quotation_marks_and_backslashes_are_quoted_for_every_login_shell(
    machine: SshMachine, known_hosts: Path, shell: str
) -> None:
    set_login_shell(machine, shell, noisy=False)

    async def work(transport: Transport) -> str:
        async with transport.run(f"exec printf '%s|' {' '.join(map(quote, AWKWARD))}") as stream:
            stream.write_eof()
            return (await stream.read(10_000)).decode()

    assert over_ssh(machine, known_hosts, work) == "|".join([*AWKWARD, ""])


@pytest.mark.parametrize("shell", SHELLS)
def test_a_module_of_ours_answers_whatever_the_login_shell_is_and_prints(
    machine: SshMachine, known_hosts: Path, shell: str
) -> None:
    set_login_shell(machine, shell)
    question = {"experiment": "abc", "code": "0123"}
    module_name = "ray_remote_nni.experiment.receive"

    def work(transport: Transport) -> Awaitable[dict[str, Any]]:
        return ask_module(transport, sys.executable, LIBRARY, module_name, question)

    assert over_ssh(machine, known_hosts, work) == {"code": False}


@pytest.fixture
def folder_of_traps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder whose modules have the names of the standard library's."""
    folder = tmp_path / "traps"
    folder.mkdir()
    for name in ("json", "random", "secrets", "tarfile", "platform", "socket", "pathlib"):
        (folder / f"{name}.py").write_text("raise ImportError('this is the module of the user')\n")
    monkeypatch.chdir(folder)
    return folder


def test_a_module_of_ours_does_not_take_the_users_modules_for_the_standard_librarys(
    home: Path, folder_of_traps: Path
) -> None:
    question = {"experiment": "abc", "code": "0123"}
    asked = on_local(lambda t: ask_module(t, sys.executable, LIBRARY, "ray_remote_nni.experiment.receive", question))
    assert asked == {"code": False}


def test_sent_code_does_not_take_the_users_modules_for_the_standard_librarys(
    home: Path, folder_of_traps: Path, tmp_path: Path
) -> None:
    sent = module(tmp_path, "import secrets; return 1")
    assert on_local(lambda t: call_python(t, sys.executable, sent, {}, io.BytesIO())) == 1
