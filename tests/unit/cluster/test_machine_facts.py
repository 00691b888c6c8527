"""What a machine says of itself: the questions asked for real, and the answers read."""

from __future__ import annotations

import asyncio
import errno
import fcntl
import json
import os
import shutil
import socket
import struct
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import IO, Any

import pytest
from machine_values import GOOD
from shells import SHELLS, set_login_shell
from ssh_machine import SshMachine

from ray_remote_nni.cluster import facts as facts_module
from ray_remote_nni.cluster.facts import MachineFacts, Question, expand_home, read_facts
from ray_remote_nni.cluster.local import LocalTransport
from ray_remote_nni.cluster.node import node_runs
from ray_remote_nni.cluster.remote import facts as remote
from ray_remote_nni.cluster.remote import limits, place
from ray_remote_nni.cluster.ssh import connect
from ray_remote_nni.errors import MachineError
from ray_remote_nni.guard.processes import read_process

QUESTION = Question("abc123", "0", ("pytest", "no-such-distribution"), ports=3, first_port=20000, last_port=20999)
PIPES: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
BIN = str(Path(sys.executable).parent)


def read_here(python_path: str | None = None, python: str | None = None) -> MachineFacts:
    return asyncio.run(read_facts(LocalTransport(), QUESTION, python_path=python_path, python=python))


def read_over_ssh(machine: SshMachine, known_hosts: Path, python_path: str | None = BIN) -> MachineFacts:
    async def up() -> MachineFacts:
        async with machine.running():
            known_hosts.write_text(machine.known_hosts_line())
            transport = await connect(machine.login())
            try:
                return await read_facts(transport, QUESTION, python_path=python_path)
            finally:
                await transport.close()

    return asyncio.run(up())


def ask(**changes: Any) -> dict[str, Any]:
    """The questions, asked in this process."""
    answer: dict[str, Any] = remote.main({**vars(QUESTION), **changes}, None)
    return {**answer, **place.place_facts(), **limits.limit_facts()}


def a_python(folder: Path, script: str) -> str:
    """A folder whose python3 is a script of sh."""
    folder.mkdir(parents=True)
    (folder / "python3").write_text(f"#!/bin/sh\n{script}\n")
    (folder / "python3").chmod(0o755)
    return str(folder)


def test_a_recorded_answer_is_read() -> None:
    answer = '{"system": "Linux", "architecture": "aarch64", "libc": "2.31", "hostname": "gpu1", "home": "/home/é", '
    answer += '"write_problem": "", "taken_ports": [[21000, "abc123"]], "clock": 1000.5, "system_name": "Debian", '
    answer += '"hostname_resolves": false, "free_bytes": 5, "cpus": 4, "memory_bytes": null, '
    answer += '"python": "/opt/p/bin/python3", '
    answer += '"python_version": [3, 10, 12], "distributions": {"ray": "2.60.0"}, "ray_has_dashboard": true, '
    answer += '"gpus": [0, 1], "addresses": ["192.0.2.1", "fd00::1", "127.0.0.1"], "ssh_address": "192.0.2.1", '
    answer += '"free_ports": [20001, 20002], "installed": ["ray-nni-1"], "guard": 4711}'
    known = MachineFacts.parse(answer)
    assert known.python_version == (3, 10, 12)
    assert known.gpus == (0, 1)
    assert known.memory_bytes is None
    assert known.addresses[0] == "192.0.2.1"
    assert known.guard == 4711
    assert known.taken_ports == {21000: "abc123"}


def test_a_machine_answers_every_question(home: Path) -> None:
    known = read_here(python=sys.executable)
    assert known.system == "Linux"
    assert known.home == str(home)
    assert known.write_problem == ""
    assert known.python_version == sys.version_info[:3]
    assert set(known.distributions) == {"pytest"}
    assert len(known.free_ports) == 3
    assert known.cpus == len(os.sched_getaffinity(0))


def test_every_python_from_3_6_on_answers(home: Path, any_python: Path) -> None:
    known = read_here(python=str(any_python))
    assert Path(known.python).resolve() == any_python.resolve()
    assert known.python_version[0] == 3


@pytest.mark.parametrize("shell", SHELLS)
def test_a_machine_answers_over_ssh_whatever_its_login_shell_is_and_prints(
    machine: SshMachine, known_hosts: Path, shell: str
) -> None:
    set_login_shell(machine, shell)
    known = read_over_ssh(machine, known_hosts)
    assert (known.home, known.python_version) == (str(machine.home), sys.version_info[:3])


def test_the_address_at_which_ssh_arrived_is_known(machine: SshMachine, known_hosts: Path) -> None:
    machine.environment["SSH_CONNECTION"] = "192.0.2.9 50000 192.0.2.1 22"
    assert read_over_ssh(machine, known_hosts).ssh_address == "192.0.2.1"


def test_without_ssh_there_is_no_such_address(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SSH_CONNECTION", raising=False)
    assert ask()["ssh_address"] == ""


def test_the_python_path_decides_the_python(machine: SshMachine, known_hosts: Path) -> None:
    folder = a_python(machine.home / "my env" / "bin", f'exec "{sys.executable}" "$@"')
    other = a_python(machine.home / "other", "exit 1")
    machine.environment["PATH"] = f"{other}:{os.environ['PATH']}"
    assert read_over_ssh(machine, known_hosts, folder).python_version == sys.version_info[:3]


def test_a_python_path_below_the_home_is_the_machines_own_home(machine: SshMachine, known_hosts: Path) -> None:
    a_python(machine.home / "env" / "bin", f'exec "{sys.executable}" "$@"')
    assert read_over_ssh(machine, known_hosts, "~/env/bin/").python_version == sys.version_info[:3]


def test_a_folder_with_a_python_and_no_python3_will_do(home: Path, tmp_path: Path) -> None:
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "python").symlink_to(sys.executable)
    assert read_here(python_path=str(folder)).python_version == sys.version_info[:3]


def test_a_python_path_without_python_is_named(home: Path, tmp_path: Path) -> None:
    with pytest.raises(MachineError, match=f"neither python3 nor python in the folder `pythonPath: {tmp_path}`"):
        read_here(python_path=str(tmp_path))


def test_a_wrong_python_path_is_told_with_what_it_is_and_where_pythons_are(home: Path, tmp_path: Path) -> None:
    folder = a_python(tmp_path / "env" / "bin", "exit 0")
    near = rf"such as {folder}\b"
    with pytest.raises(MachineError, match=rf"env`\.? Set .*{near}"):
        read_here(python_path=str(tmp_path / "env"))
    with pytest.raises(MachineError, match=f"python3`, which is a file.*{near}"):
        read_here(python_path=f"{folder}/python3")
    with pytest.raises(MachineError, match=f"lib`, which does not exist.*{near}") as caught:
        read_here(python_path=str(tmp_path / "env" / "lib"))
    assert "ray[default]" not in str(caught.value)


def test_a_machine_without_python_says_so(
    machine: SshMachine, known_hosts: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(facts_module, "_ELSEWHERE", "/nowhere/bin/python3")
    (machine.home / "bin").mkdir()
    (machine.home / "bin" / "sh").symlink_to("/bin/sh")
    machine.environment["PATH"] = str(machine.home / "bin")
    with pytest.raises(MachineError, match=r"neither python3 nor python in its PATH.*Install .* and set `pythonPath`"):
        read_over_ssh(machine, known_hosts, None)


def test_a_python_that_does_not_work_is_told_by_its_last_words(home: Path, tmp_path: Path) -> None:
    folder = a_python(tmp_path / "bin", "echo 'libpython3.11.so.1.0: cannot open shared object file' >&2; exit 127")
    with pytest.raises(MachineError, match=r"did not answer as one: libpython3\.11\.so\.1\.0: cannot open.*Set `pyth"):
        read_here(python_path=folder)


def test_a_shim_without_a_python_behind_it_is_passed_over(machine: SshMachine, known_hosts: Path) -> None:
    shims = a_python(machine.home / "shims", "echo 'pyenv: python3: command not found' >&2; exit 127")
    works = a_python(machine.home / "works", f'exec "{sys.executable}" "$@"')
    machine.environment["PATH"] = f"{shims}:{os.environ['PATH']}"
    (machine.home / "shims/python").symlink_to(f"{works}/python3")
    assert read_over_ssh(machine, known_hosts, None).python_version == sys.version_info[:3]


def test_a_python_of_the_trials_that_is_too_old_to_answer_leaves_the_answer_to_another(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(facts_module, "_ELSEWHERE", sys.executable)
    assert read_here(python_path=a_python(tmp_path / "bin", "exit 36")).python_version[0] == 3


def test_a_python_that_says_nothing_is_told(home: Path, tmp_path: Path) -> None:
    with pytest.raises(MachineError, match=r"did not answer as one: nothing\. Set .*, and see whether .* ulimit -u"):
        read_here(python_path=a_python(tmp_path / "bin", "exit 0"))


def test_what_python_complains_of_before_it_answers_does_no_harm(home: Path, tmp_path: Path) -> None:
    folder = a_python(tmp_path / "bin", f'echo "warning: old locale" >&2; exec "{sys.executable}" "$@"')
    assert read_here(python_path=folder).system == "Linux"


@pytest.mark.parametrize(
    ("written", "quoted"),
    [("~", "\"$HOME\"''"), ("~/a b", "\"$HOME\"'/a b'"), ("/opt/x", "/opt/x"), ("~bob/x", "'~bob/x'")],
)
def test_only_the_users_own_home_is_left_to_the_machine(written: str, quoted: str) -> None:
    assert expand_home(written) == quoted


def test_a_python_path_cannot_run_a_command(home: Path, tmp_path: Path) -> None:
    with pytest.raises(MachineError, match="neither python3 nor python"):
        read_here(python_path=f"~/x; touch {tmp_path}/trap; $(touch {tmp_path}/trap)")
    assert not (tmp_path / "trap").exists()


def test_a_machine_that_hangs_is_not_waited_for_for_ever(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ray_remote_nni.cluster.facts._TIMEOUT_S", 0.2)
    with pytest.raises(MachineError, match="tells nothing of itself"):
        read_here(python_path=a_python(tmp_path / "bin", "exec sleep 60"))


def test_a_home_that_is_not_there_cannot_be_written_to(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/no/such/home")
    assert (ask()["write_problem"], ask()["free_bytes"]) == ("No such file or directory", 0)


def test_what_lies_in_the_place_of_our_folder_is_told(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ours = home / ".ray-nni"
    assert ask()["root_problem"] == ""
    ours.touch()
    assert ask()["root_problem"] == "it is a file"
    ours.unlink()
    ours.symlink_to(home / "nowhere")
    assert ask()["root_problem"] == "it is a link that leads nowhere"
    (home / "nowhere").mkdir()
    (home / "nowhere/lib").touch()
    assert ask()["root_problem"] == "lib in it is no folder that can be written to"
    (home / "nowhere/lib").unlink()
    assert ask()["root_problem"] == ""
    me = os.getuid()
    monkeypatch.setattr(os, "getuid", lambda: me + 1)
    assert ask()["root_problem"].startswith("it belongs to ")


def test_what_counts_is_the_disk_that_our_folder_is_on(home: Path) -> None:
    assert ask()["place"] == str(home)
    (home / ".ray-nni").symlink_to("/dev/shm")
    told = ask()
    room = shutil.disk_usage("/dev/shm").free
    assert (told["place"], told["noexec"]) == ("/dev/shm", bool(os.statvfs("/dev/shm").f_flag & os.ST_NOEXEC))
    assert abs(told["free_bytes"] - room) < 2**28


def test_a_disk_tells_how_many_files_more_it_takes_where_it_has_a_limit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "statvfs", lambda _: SimpleNamespace(f_files=1000, f_favail=7))
    assert place.free_files(str(tmp_path)) == 7
    monkeypatch.setattr(os, "statvfs", lambda _: SimpleNamespace(f_files=0, f_favail=0))
    assert place.free_files(str(tmp_path)) is None


@pytest.mark.parametrize("kind", ["flock", "lockf"])
def test_a_disk_without_one_kind_of_locks_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    def fail(*_: object) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    assert place.lock_problem(str(tmp_path)) == place.lock_problem(str(tmp_path / "missing")) == ""
    monkeypatch.setattr(fcntl, kind, fail)
    assert place.lock_problem(str(tmp_path)) == "No locks available"


def test_a_disk_where_one_kind_of_locks_bars_the_other_has_both(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def flock_of_nfs(file: IO[bytes], _: int) -> None:
        fcntl.fcntl(file, fcntl.F_OFD_SETLK, struct.pack("hhqqi4x", fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0))

    monkeypatch.setattr(fcntl, "flock", flock_of_nfs)
    assert place.lock_problem(str(tmp_path)) == ""


def test_a_folder_takes_sockets_though_another_machine_with_our_pid_tries_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with monkeypatch.context() as patching:
        patching.setattr(os, "unlink", lambda path: None)
        assert place.takes_sockets(".")
    assert list(tmp_path.iterdir())
    assert place.takes_sockets(".")


@pytest.mark.parametrize("number", [errno.EPERM, errno.EOPNOTSUPP])
def test_a_disk_that_takes_no_sockets_is_told_and_no_try_of_one_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    class NoSocket(socket.socket):
        def bind(self, address: object) -> None:
            raise OSError(number, os.strerror(number))

    monkeypatch.chdir(tmp_path)
    assert place.takes_sockets(".")
    assert place.takes_sockets(str(tmp_path / "missing"))
    monkeypatch.setattr(socket, "socket", NoSocket)
    assert not place.takes_sockets(".")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
def test_a_port_that_is_taken_is_not_offered(home: Path, address: str) -> None:
    with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET) as taken:
        taken.bind((address, 0))
        port = taken.getsockname()[1]
        assert port not in ask(ports=2, first_port=port, last_port=port + 1)["free_ports"]


def test_no_more_ports_are_offered_than_asked_for(home: Path) -> None:
    assert len(ask(ports=2)["free_ports"]) == 2


def test_loopback_is_the_last_of_the_addresses(home: Path) -> None:
    addresses = ask()["addresses"]
    loopback = [address.startswith("127.") or address == "::1" for address in addresses]
    assert loopback == sorted(loopback)


def test_what_is_installed_of_ours_is_known(home: Path) -> None:
    assert ask()["installed"] == []
    (home / ".ray-nni" / "lib" / "ray-nni-1").mkdir(parents=True)
    assert ask()["installed"] == ["ray-nni-1"]


def tell_of_guard(home: Path, pid: int, start_ticks: int) -> None:
    folder = home / ".ray-nni" / "clusters" / "abc123" / "0"
    folder.mkdir(parents=True)
    (folder / "guard.json").write_text(json.dumps({"pid": pid, "start_ticks": start_ticks}))


def test_a_guard_that_runs_is_known(home: Path) -> None:
    me = read_process(os.getpid())
    assert me is not None
    tell_of_guard(home, me.pid, me.start_ticks)
    assert ask()["guard"] == os.getpid()


LISTEN = r"""
import os, socket, sys
os.fork()
server = socket.create_server(("127.0.0.1", 0))
os.write(1, b"%d\n" % server.getsockname()[1])
sys.stdin.read()
"""


def test_a_fixed_port_that_is_taken_is_known_with_the_cluster_of_ours_that_has_it(home: Path) -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as stranger,
        subprocess.Popen([sys.executable, "-c", LISTEN], text=True, **PIPES) as node,
    ):
        assert node.stdout is not None
        ports = [int(node.stdout.readline()) for _ in range(2)]
        known = read_process(node.pid)
        assert known is not None
        tell_of_guard(home, known.pid, known.start_ticks)
        other = stranger.getsockname()[1]
        answer = ask(fixed_ports=[*ports, other])["taken_ports"]
        node.communicate()
    assert dict(answer) == {**dict.fromkeys(ports, "abc123"), other: ""}


def test_another_process_with_the_guards_old_pid_is_no_guard(home: Path) -> None:
    me = read_process(os.getpid())
    assert me is not None
    tell_of_guard(home, me.pid, me.start_ticks - 1)
    assert ask()["guard"] is None


def test_without_a_guards_file_there_is_no_guard(home: Path) -> None:
    assert ask()["guard"] is None


@pytest.mark.parametrize(
    ("script", "gpus"),
    [
        ("echo 0; echo 1; echo 2", [0, 1, 2]),
        ("echo 'No devices were found'", []),
        ("echo 'NVIDIA-SMI has failed'; exit 9", []),
        ("exit 0", []),
        # Too old for queries.
        ('[ "$1" = -L ] && echo "GPU 0: Tesla K80 (UUID: GPU-a)" && echo "  MIG 1g.5gb Device 0: (UUID: M)"', [0]),
    ],
)
def test_gpus_are_those_that_nvidia_smi_lists(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, gpus: list[int]
) -> None:
    tool = tmp_path / "bin" / "nvidia-smi"
    tool.parent.mkdir()
    tool.write_text(f"#!/bin/sh\n{script}\n")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tool.parent}:{os.environ['PATH']}")
    assert ask()["gpus"] == gpus


def test_a_machine_without_nvidia_smi_has_no_gpus(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/no/such/folder")
    assert ask()["gpus"] == []


def test_the_questions_and_the_facts_have_the_same_names(home: Path) -> None:
    assert set(ask()) - {"clock"} == set(GOOD) - {"clock_skew_s"}


def test_what_python_complains_of_after_it_answered_does_no_harm(home: Path, tmp_path: Path) -> None:
    folder = a_python(tmp_path / "bin", f'"{sys.executable}" "$@"; echo "Exception ignored in: <module>" >&2')
    assert read_here(python_path=folder).system == "Linux"


def test_a_random_py_in_the_users_home_is_not_the_standard_librarys(machine: SshMachine, known_hosts: Path) -> None:
    for name in ("random", "json", "platform", "socket"):
        (machine.home / f"{name}.py").write_text("raise ImportError('this is the module of the user')\n")
    assert read_over_ssh(machine, known_hosts).home == str(machine.home)


def test_a_ray_folder_in_the_users_home_is_not_ray(machine: SshMachine, known_hosts: Path) -> None:
    (machine.home / "aiohttp_cors").mkdir()
    (machine.home / "ray").mkdir()
    folder = a_python(machine.home / "env" / "bin", f'exec "{sys.executable}" -S "$@"')
    assert not read_over_ssh(machine, known_hosts, folder).ray_has_dashboard


def test_the_state_of_a_node_is_read_where_its_folder_has_a_quotation_mark(home: Path, tmp_path: Path) -> None:
    folder = tmp_path / "it's"
    folder.mkdir()
    me = read_process(os.getpid())
    assert me is not None
    (folder / "guard.json").write_text(json.dumps({"pid": me.pid, "start_ticks": me.start_ticks}))
    assert asyncio.run(node_runs(LocalTransport(), str(folder)))


def test_another_process_with_the_guards_old_pid_is_no_node_that_runs(home: Path, tmp_path: Path) -> None:
    (tmp_path / "guard.json").write_text(json.dumps({"pid": os.getpid(), "start_ticks": 1}))
    assert not asyncio.run(node_runs(LocalTransport(), str(tmp_path)))
