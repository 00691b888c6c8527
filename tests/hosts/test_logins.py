"""Every way to log in, against real OpenSSH servers; no Ray is needed for that."""

from __future__ import annotations

import asyncio
import io
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import machines as m
import proc
import pytest
from lone_sshd import LoneServer, lone_sshd

from ray_remote_nni.cluster import login as logins
from ray_remote_nni.cluster import ssh
from ray_remote_nni.cluster.check import check_cluster
from ray_remote_nni.cluster.interpreter import call_python
from ray_remote_nni.cluster.login import Login
from ray_remote_nni.cluster.request import request_cluster
from ray_remote_nni.cluster.ssh import connect
from ray_remote_nni.cluster.transport import run_shell
from ray_remote_nni.config import ConfigInvalid, LoadedConfig, load_config
from ray_remote_nni.errors import MachineError

AS_ROOT = os.geteuid() == 0
PASSPHRASE = "open sesame"
CONFIG = """
searchSpace: {x: {_type: uniform, _value: [0, 1]}}
trialCommand: python3 trial.py
trialConcurrency: 1
tuner: {name: TPE}
trainingService:
  platform: remote
  machineList:
"""
#: The kinds of keys, by the options of ssh-keygen that make them.
KINDS = {
    "rsa": ["-t", "rsa", "-b", "2048"],
    "rsa-pem": ["-t", "rsa", "-b", "2048", "-m", "PEM"],
    "rsa-pkcs8": ["-t", "rsa", "-b", "2048", "-m", "PKCS8"],
    "ecdsa": ["-t", "ecdsa"],
    "ecdsa-pem": ["-t", "ecdsa", "-m", "PEM"],
    "ed25519": ["-t", "ed25519"],
}
LOCKED = {"rsa-pem": "rsa-pem-locked", "ed25519": "ed25519-locked"}


def make_key(file: Path, *options: str, passphrase: str = "") -> Path:
    rounds = ["-a", "1"] if "ed25519" in options else []
    argv = ["ssh-keygen", "-q", *options, *rounds, "-N", passphrase, "-C", file.name, "-f", str(file)]
    subprocess.run(argv, check=True)
    return file


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("keys")
    made = {name: make_key(folder / name, *options) for name, options in KINDS.items()}
    made |= {name: make_key(folder / name, *KINDS[kind], passphrase=PASSPHRASE) for kind, name in LOCKED.items()}
    return made


@pytest.fixture(scope="module")
def server(keys: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[LoneServer]:
    """It lets in whoever has one of the keys; it has a banner and no SFTP, and hangs up on too many newcomers."""
    folder = tmp_path_factory.mktemp("server")
    (folder / "banner").write_text("Authorised use only.\n" * 20)
    with lone_sshd(
        folder / "it",
        "".join(Path(f"{key}.pub").read_text() for key in keys.values()),
        Banner=str(folder / "banner"),
        Subsystem="none /bin/false",
        MaxStartups="12:100:12",
        AllowTcpForwarding="yes",
    ) as made:
        yield made


@pytest.fixture
def home(tmp_path: Path, server: LoneServer, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The client's home, which knows the server; there is no SSH agent."""
    folder = tmp_path / "home"
    (folder / ".ssh").mkdir(mode=0o700, parents=True)
    (folder / ".ssh/known_hosts").write_text(server.known_hosts_line)
    monkeypatch.setenv("HOME", str(folder))
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    return folder


@pytest.fixture
def agent(home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An SSH agent without keys."""
    socket = home / "agent"
    process = subprocess.Popen(["ssh-agent", "-D", "-a", str(socket)], stdout=subprocess.DEVNULL)
    try:
        while not socket.exists():
            assert process.poll() is None
        monkeypatch.setenv("SSH_AUTH_SOCK", str(socket))
        yield
    finally:
        process.terminate()
        process.wait()


def add_to_agent(key: Path, passphrase: str = "") -> None:
    asking = key.with_suffix(".askpass")
    asking.write_text(f"#!/bin/sh\necho '{passphrase}'\n")
    asking.chmod(0o755)
    environment = {**os.environ, "SSH_ASKPASS": str(asking), "SSH_ASKPASS_REQUIRE": "force", "DISPLAY": ":0"}
    subprocess.run(["ssh-add", "-q", str(key)], check=True, env=environment, stdin=subprocess.DEVNULL)


def say_hello(*wanted: Login) -> list[str]:
    """Log in, to all at once, and say hello."""

    async def hello(login: Login) -> str:
        transport = await connect(login)
        try:
            return await run_shell(transport, "echo hello")
        finally:
            await transport.close()

    async def all_of_them() -> list[str]:
        return await asyncio.gather(*map(hello, wanted))

    return asyncio.run(all_of_them())


def at(server: LoneServer, key: Path | None = None, **more: object) -> Login:
    return Login(**{"host": server.address, "port": server.port, "user": server.user, "key_file": key, **more})


@pytest.mark.parametrize("kind", KINDS)
def test_a_key_of_every_kind_logs_in(server: LoneServer, home: Path, keys: dict[str, Path], kind: str) -> None:
    assert say_hello(at(server, keys[kind])) == ["hello\n"]


@pytest.mark.parametrize("kind", LOCKED.values())
def test_a_key_with_a_passphrase_logs_in_with_it_and_says_so_without_it(
    server: LoneServer, home: Path, keys: dict[str, Path], kind: str
) -> None:
    assert say_hello(at(server, keys[kind], passphrase=PASSPHRASE)) == ["hello\n"]
    for passphrase in (None, "close sesame"):
        with pytest.raises(MachineError, match=r"needs another passphrase.*`sshPassphrase`.*ssh-add"):
            say_hello(at(server, keys[kind], passphrase=passphrase))


def test_the_agent_logs_in_with_its_keys_and_for_a_named_key_whose_passphrase_only_it_knows(
    server: LoneServer, home: Path, agent: None, keys: dict[str, Path]
) -> None:
    locked = keys["ed25519-locked"]
    with pytest.raises(MachineError, match="your SSH agent does not have it"):
        say_hello(at(server, locked))
    add_to_agent(locked, PASSPHRASE)

    assert say_hello(at(server), at(server, locked)) == ["hello\n"] * 2


def test_a_named_key_logs_in_however_many_others_the_agent_has(
    server: LoneServer, home: Path, agent: None, keys: dict[str, Path], tmp_path: Path
) -> None:
    for number in range(7):
        add_to_agent(make_key(tmp_path / f"stranger{number}", "-t", "ed25519"))
    add_to_agent(keys["ed25519-locked"], PASSPHRASE)

    assert say_hello(at(server, keys["ecdsa"]), at(server, keys["ed25519-locked"])) == ["hello\n"] * 2
    with pytest.raises(MachineError, match=r"too many keys.*name the right one in `sshKeyFile`"):
        say_hello(at(server))


def test_a_refused_login_says_what_was_tried_and_what_the_machine_offers(
    server: LoneServer, home: Path, tmp_path: Path
) -> None:
    stranger = make_key(tmp_path / "stranger", "-t", "ed25519")
    with pytest.raises(MachineError, match=r"stranger .*\(tried: publickey; it offers: publickey\).*authorized_keys"):
        say_hello(at(server, stranger))
    with pytest.raises(MachineError, match=r"it offers: publickey.*takes no password alone.*`sshKeyFile`"):
        say_hello(at(server, password="hunter2"))


def test_a_key_that_others_can_read_is_refused_with_the_command_that_closes_it(
    server: LoneServer, home: Path, tmp_path: Path
) -> None:
    key = make_key(tmp_path / "open", "-t", "ed25519")
    key.chmod(0o644)
    with pytest.raises(MachineError, match=rf"open to other users .*0644.*chmod 600 '{key}'"):
        say_hello(at(server, key))


def test_the_public_half_of_a_key_and_puttys_kind_are_told(server: LoneServer, home: Path, tmp_path: Path) -> None:
    key = make_key(tmp_path / "key", "-t", "ed25519")
    with pytest.raises(MachineError, match=rf"it is the public half.*Name '{key}'"):
        say_hello(at(server, Path(f"{key}.pub")))
    key.write_text("PuTTY-User-Key-File-3: ssh-ed25519\n")
    with pytest.raises(MachineError, match="puttygen"):
        say_hello(at(server, key))


def test_the_users_ssh_configuration_names_host_port_user_and_key_and_what_is_not_there_is_passed_over(
    server: LoneServer, home: Path, keys: dict[str, Path]
) -> None:
    (home / ".ssh/config").write_text(
        f"Host gpu*\n  HostName {server.address}\n  Port {server.port}\n  User {server.user}\n"
        f"  IdentityFile {home}/nowhere\n  IdentityFile {keys['ecdsa']}\n  IdentitiesOnly yes\n"
    )
    assert say_hello(Login("gpu7")) == ["hello\n"]


def test_a_machine_of_the_users_ssh_configuration_needs_nothing_but_its_name_in_the_config(
    server: LoneServer, home: Path, keys: dict[str, Path]
) -> None:
    (home / ".ssh/config").write_text(
        f"Host gpu7\n  HostName {server.address}\n  Port {server.port}\n  User {server.user}\n"
        f"  IdentityFile {keys['ecdsa']}\n"
    )
    config = home / "config.yml"

    def read(host: str) -> LoadedConfig:
        config.write_text(CONFIG + f"    - host: {host}\n")
        return load_config(config, has_user=logins.has_user)

    with pytest.raises(ConfigInvalid, match=r"user: this field is required.*such as user: alice.*~/\.ssh/config"):
        read("gpu8")
    [machine] = request_cluster(config, read("gpu7").experiment).machines
    assert machine.login is not None
    # Nobody's key by its usual name may win.
    make_key(home / ".ssh/id_rsa", "-t", "rsa", "-b", "2048")
    assert say_hello(machine.login) == ["hello\n"]


def test_a_jump_host_is_gone_through_and_is_named_where_it_is_what_fails(
    server: LoneServer, home: Path, keys: dict[str, Path], tmp_path: Path
) -> None:
    with lone_sshd(tmp_path / "jump", keys["ecdsa"].with_suffix(".pub").read_text()) as jump:
        (home / ".ssh/config").write_text(
            f"Host gate\n  HostName {jump.address}\n  Port {jump.port}\n  User {jump.user}\n"
            f"  IdentityFile {keys['ecdsa']}\nHost inner outer\n  HostName {server.address}\n  Port {server.port}\n"
            f"  ProxyJump gate\n"
        )
        with pytest.raises(MachineError, match=r"^inner: its jump host gate: its host key SHA256:\S* is not known"):
            say_hello(Login("inner", user=server.user, key_file=keys["rsa"]))
        assert jump.accepted() == []
        assert say_hello(Login("inner", user=server.user, key_file=keys["rsa"], accept_new_host_key=True)) == [
            "hello\n"
        ]
        assert len(jump.accepted()) == 1
        assert jump.host_key in (home / ".ssh/known_hosts").read_text()
        with pytest.raises(MachineError, match=r"^inner: the jump host does not get through .*Connection refused"):
            say_hello(Login("inner", port=1, user=server.user, key_file=keys["rsa"]))


def test_an_ipv6_address_and_a_host_name_log_in(
    server: LoneServer, home: Path, keys: dict[str, Path], tmp_path: Path
) -> None:
    public = keys["rsa"].with_suffix(".pub").read_text()
    with lone_sshd(tmp_path / "six", public, "::1") as six:
        (home / ".ssh/known_hosts").write_text(six.known_hosts_line)
        assert say_hello(at(six, keys["rsa"])) == ["hello\n"]
    (home / ".ssh/known_hosts").write_text(server.known_hosts_line.replace(server.address, "localhost"))
    assert say_hello(at(server, keys["rsa"], host="localhost")) == ["hello\n"]


def test_a_new_host_key_is_recorded_as_openssh_reads_it_and_a_changed_one_is_always_refused(
    server: LoneServer, home: Path, keys: dict[str, Path], tmp_path: Path
) -> None:
    known_hosts = home / ".ssh/known_hosts"
    known_hosts.unlink()
    with pytest.raises(MachineError, match=r"SHA256:.*--accept-new-host-keys"):
        say_hello(at(server, keys["rsa"]))
    assert not known_hosts.exists()

    say_hello(at(server, keys["rsa"], accept_new_host_key=True))

    argv = [
        "ssh",
        "-F",
        "none",
        "-i",
        str(keys["rsa"]),
        "-p",
        str(server.port),
        "-o",
        f"UserKnownHostsFile={known_hosts}",
    ]
    argv += ["-o", "StrictHostKeyChecking=yes", "-o", "BatchMode=yes", f"{server.user}@{server.address}", "echo hello"]
    assert subprocess.run(argv, capture_output=True, text=True, check=True).stdout == "hello\n"
    with lone_sshd(tmp_path / "other", "") as other:
        known_hosts.write_text(known_hosts.read_text().replace(str(server.port), str(other.port)))
        before = known_hosts.read_text()
        for accept in (False, True):
            with pytest.raises(MachineError, match=r"is not the one recorded.*ssh-keygen -R"):
                say_hello(at(other, keys["rsa"], accept_new_host_key=accept))
        assert known_hosts.read_text() == before


def test_fifty_logins_at_once_come_through_a_server_that_hangs_up_on_the_thirteenth_newcomer(
    server: LoneServer, home: Path, keys: dict[str, Path]
) -> None:
    assert say_hello(*[at(server, keys["ed25519"])] * 50) == ["hello\n"] * 50


def test_a_connection_that_falls_silent_is_given_up(
    server: LoneServer, home: Path, keys: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logins, "_KEEPALIVE_S", 0.2)

    async def up() -> None:
        transport = await connect(at(server, keys["ed25519"]))
        session = int(await run_shell(transport, "echo $PPID"))
        everything = list(proc.all_processes())
        parents = {seen.pid: seen.parent for seen in everything if seen.name in proc.SSH_SERVERS}
        assert session in parents
        os.kill(session, signal.SIGSTOP)
        try:
            await asyncio.wait_for(run_shell(transport, "echo still there"), 30)
        finally:
            os.kill(session, signal.SIGCONT)
            await transport.close()

    with pytest.raises(MachineError, match="the connection was lost"):
        asyncio.run(up())


def test_a_server_without_sftp_gets_code_and_data_all_the_same(
    server: LoneServer, home: Path, keys: dict[str, Path], tmp_path: Path
) -> None:
    module = tmp_path / "module.py"
    module.write_text("def main(arguments, stream): return len(stream.read())\n")

    async def up() -> int:
        transport = await connect(at(server, keys["ed25519"]))
        try:
            return int(await call_python(transport, "python3", module, {}, io.BytesIO(bytes(3_000_000))))
        finally:
            await transport.close()

    assert asyncio.run(up()) == 3_000_000


def test_a_password_opens_what_asks_for_it_in_either_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    specs = [m.Spec(user="dora", password="s3cret"), m.Spec(user="dora", password="s3cret", interactive=True)]
    with m.machines(*specs) as asked:
        monkeypatch.setenv("HOME", str(m.make_client_home(tmp_path, asked)))
        if not AS_ROOT:
            assert [machine.password for machine in asked] == [None, None], "without root there are keys only"
            return
        for machine, way in zip(asked, ("password", "keyboard-interactive"), strict=True):
            login = Login(machine.address, machine.port, machine.user, password=machine.password)
            assert say_hello(login) == ["hello\n"]
            wrong = Login(machine.address, machine.port, machine.user, password="guess")
            with pytest.raises(
                MachineError, match=rf"tried: {way}; it offers: publickey, {way}.*Check `password`"
            ) as caught:
                say_hello(wrong)
            assert "guess" not in str(caught.value)


def test_a_server_that_allows_one_session_a_connection_gets_one_command_after_the_other(
    home: Path, keys: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def one_after_the_other(login: Login) -> None:
        transport = await connect(login)
        try:
            for _ in range(3):
                async with transport.run("echo begun; cat >/dev/null") as stream:
                    assert await stream.read(100) == b"begun\n"
                assert await run_shell(transport, "echo hello") == "hello\n"
            async with transport.run("cat"):
                monkeypatch.setattr(ssh, "_OPEN_PATIENCE_S", 0.2)
                await run_shell(transport, "echo two at once")
        finally:
            await transport.close()

    with lone_sshd(tmp_path / "one", keys["rsa"].with_suffix(".pub").read_text(), MaxSessions="1") as one:
        (home / ".ssh/known_hosts").write_text(one.known_hosts_line)
        with pytest.raises(MachineError, match=r"opens no more sessions on a connection.*set MaxSessions"):
            asyncio.run(one_after_the_other(at(one, keys["rsa"])))


def test_check_tells_of_a_head_whose_server_forbids_forwarding(
    home: Path, keys: dict[str, Path], tmp_path: Path
) -> None:
    public = keys["rsa"].with_suffix(".pub").read_text()
    with lone_sshd(tmp_path / "closed", public, AllowTcpForwarding="no") as closed:
        (home / ".ssh/known_hosts").write_text(closed.known_hosts_line)
        machine = (
            f"    - {{host: {closed.address}, port: {closed.port}, user: {closed.user}, sshKeyFile: {keys['rsa']}}}\n"
        )
        (home / "config.yml").write_text(CONFIG + machine)
        request = request_cluster(home / "config.yml", load_config(home / "config.yml").experiment)
        (found,) = asyncio.run(check_cluster(request))
    (error,) = found.errors
    assert "forbids port forwarding" in error.what
    assert "AllowTcpForwarding" in str(error.remedy)
