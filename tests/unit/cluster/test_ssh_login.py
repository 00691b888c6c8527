"""Logging in over SSH: what works, and that each way to fail has its own cause and remedy."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import socket
import time
from pathlib import Path

import asyncssh
import pytest
from ssh_machine import HOST, PASSWORD, SshMachine, closed_port, new_key

from ray_remote_nni.cluster import login as logins
from ray_remote_nni.cluster.login import Login
from ray_remote_nni.cluster.ssh import SshTransport, connect
from ray_remote_nni.cluster.transport import run_shell
from ray_remote_nni.errors import MachineError

# Throw-away keys may be weak.
pytestmark = pytest.mark.filterwarnings("ignore:.*bcrypt.kdf")


def log_in(login: Login) -> str:
    """Log in and say hello, once."""

    async def hello() -> str:
        transport = await connect(login)
        try:
            return await run_shell(transport, "echo hello")
        finally:
            await transport.close()

    return asyncio.run(hello())


def log_in_while_up(machine: SshMachine, known_hosts: Path | None = None, **changes: object) -> str:
    """Log in to the machine, whose host key is known if a `known_hosts` is given."""

    async def hello() -> str:
        async with machine.running():
            if known_hosts is not None:
                known_hosts.write_text(machine.known_hosts_line())
            transport = await connect(machine.login(**changes))
            try:
                return await run_shell(transport, "echo hello")
            finally:
                await transport.close()

    return asyncio.run(hello())


def key_file(home: Path, key: asyncssh.SSHKey, passphrase: str | None = None) -> Path:
    """A private key in the format of today's ssh-keygen."""
    file = home / "key"
    file.write_bytes(key.export_private_key("openssh", passphrase, rounds=1))
    file.chmod(0o600)
    return file


def test_a_password_logs_in(machine: SshMachine, known_hosts: Path) -> None:
    assert log_in_while_up(machine, known_hosts) == "hello\n"


def test_a_key_logs_in(machine: SshMachine, known_hosts: Path, home: Path) -> None:
    key = new_key()
    machine.authorized.append(key.convert_to_public())
    assert log_in_while_up(machine, known_hosts, password=None, key_file=key_file(home, key)) == "hello\n"


def test_a_key_with_its_passphrase_logs_in(machine: SshMachine, known_hosts: Path, home: Path) -> None:
    key = new_key()
    machine.authorized.append(key.convert_to_public())
    file = key_file(home, key, "open sesame")
    assert log_in_while_up(machine, known_hosts, password=None, key_file=file, passphrase="open sesame") == "hello\n"


def test_a_key_of_the_users_ssh_folder_logs_in_when_none_is_named(
    machine: SshMachine, known_hosts: Path, home: Path
) -> None:
    key = new_key()
    machine.authorized.append(key.convert_to_public())
    key_file(home, key).rename(home / ".ssh" / "id_ed25519")
    assert log_in_while_up(machine, known_hosts, password=None) == "hello\n"


def test_with_a_password_no_key_is_tried_that_is_not_named(machine: SshMachine, known_hosts: Path, home: Path) -> None:
    key = new_key()
    machine.authorized.append(key.convert_to_public())
    key_file(home, key).rename(home / ".ssh" / "id_ed25519")
    with pytest.raises(MachineError, match="does not accept the password"):
        log_in_while_up(machine, known_hosts, password="wrong")


@pytest.mark.parametrize("methods", [("publickey", "password"), ("password", "publickey")])
def test_a_machine_that_wants_a_key_and_a_password_gets_both(
    machine: SshMachine, known_hosts: Path, home: Path, methods: tuple[str, ...]
) -> None:
    key = new_key()
    machine.authorized.append(key.convert_to_public())
    machine.methods = methods
    assert log_in_while_up(machine, known_hosts, key_file=key_file(home, key)) == "hello\n"


@pytest.mark.parametrize(
    ("methods", "changes", "told"),
    [
        (("publickey", "password"), {"password": None}, r"accepts the key, and wants the password .* Set `password`"),
        (
            ("publickey", "password"),
            {"password": "wrong"},
            r"accepts the key, and wants the password .* Check `password`",
        ),
        (("publickey", "password"), {"key_file": None}, r"takes no password alone: name a key"),
        (("password", "publickey"), {"key_file": None}, r"accepts the password, and wants a key as well.*Name a key"),
    ],
)
def test_a_machine_that_wants_more_than_it_got_says_what(
    machine: SshMachine, known_hosts: Path, home: Path, methods: tuple[str, ...], changes: dict[str, object], told: str
) -> None:
    key = new_key()
    machine.authorized.append(key.convert_to_public())
    machine.methods = methods
    with pytest.raises(MachineError, match=told):
        log_in_while_up(machine, known_hosts, **{"key_file": key_file(home, key), **changes})


def test_a_key_file_beside_a_password_that_is_none_does_not_matter(
    machine: SshMachine, known_hosts: Path, home: Path
) -> None:
    (home / "key").write_text("not a key\n")
    assert log_in_while_up(machine, known_hosts, key_file=home / "key") == "hello\n"


def test_a_wrong_password_says_so_and_not_which(machine: SshMachine, known_hosts: Path) -> None:
    with pytest.raises(MachineError, match="does not accept the password for user alice") as caught:
        log_in_while_up(machine, known_hosts, password="hunter2")
    assert "hunter2" not in str(caught.value)


def test_a_wrong_key_is_named(machine: SshMachine, known_hosts: Path, home: Path) -> None:
    file = key_file(home, new_key())
    with pytest.raises(MachineError, match=f"does not accept the key {file} .*authorized_keys"):
        log_in_while_up(machine, known_hosts, password=None, key_file=file)


def test_a_key_file_that_is_not_there_is_named(machine: SshMachine, known_hosts: Path, home: Path) -> None:
    with pytest.raises(MachineError, match="no_such_key cannot be read: No such file"):
        log_in_while_up(machine, known_hosts, password=None, key_file=home / "no_such_key")


def test_a_file_that_is_no_key_is_named(machine: SshMachine, known_hosts: Path, home: Path) -> None:
    (home / "key").write_text("not a key\n")
    with pytest.raises(MachineError, match=f"the key {home / 'key'} cannot be read"):
        log_in_while_up(machine, known_hosts, password=None, key_file=home / "key")


def test_an_unknown_host_key_is_refused_with_its_fingerprint(machine: SshMachine, home: Path) -> None:
    with pytest.raises(MachineError, match="is not known here") as caught:
        log_in_while_up(machine)
    assert machine.host_key.get_fingerprint() in str(caught.value)


def test_the_remedy_for_an_unknown_host_key_names_the_port(machine: SshMachine, home: Path) -> None:
    with pytest.raises(MachineError) as caught:
        log_in_while_up(machine)
    assert f"ssh-keyscan -p {machine.port} {HOST}" in str(caught.value)


def test_a_changed_host_key_is_refused_and_told_from_an_unknown_one(machine: SshMachine, known_hosts: Path) -> None:
    async def up() -> None:
        async with machine.running():
            known_hosts.write_text(machine.known_hosts_line(new_key()))
            await connect(machine.login())

    with pytest.raises(MachineError, match="is not the one recorded"):
        asyncio.run(up())


def test_accept_new_records_an_unknown_host_key(machine: SshMachine, known_hosts: Path) -> None:
    assert log_in_while_up(machine, accept_new_host_key=True) == "hello\n"
    assert known_hosts.read_text() == machine.known_hosts_line()


def test_a_host_key_that_was_recorded_just_now_is_not_called_verified(
    machine: SshMachine, known_hosts: Path, home: Path
) -> None:
    async def trust(**changes: object) -> str | None:
        transport = await connect(machine.login(**changes))
        await transport.close()
        return transport.host_key_trust

    async def up() -> list[str | None]:
        async with machine.running():
            told = [await trust(accept_new_host_key=True), await trust(accept_new_host_key=True), await trust()]
            (home / ".ssh" / "config").write_text("StrictHostKeyChecking no\nUserKnownHostsFile none\n")
            return [*told, await trust()]

    assert asyncio.run(up()) == ["recorded", "verified", "verified", "unchecked"]


def test_accept_new_records_a_host_key_once(machine: SshMachine, known_hosts: Path) -> None:
    log_in_while_up(machine, accept_new_host_key=True)
    log_in_while_up(machine, accept_new_host_key=True)
    assert known_hosts.read_text() == machine.known_hosts_line()


def test_a_host_key_that_cannot_be_recorded_here_is_not_the_machines_failure(machine: SshMachine, home: Path) -> None:
    (home / "file").touch()
    (home / ".ssh" / "config").write_text(f"UserKnownHostsFile {home}/file/known_hosts\n")
    with pytest.raises(MachineError, match=rf"{home}/file on this computer cannot be used: File exists\."):
        log_in_while_up(machine, accept_new_host_key=True)


def test_accept_new_does_not_accept_a_changed_host_key(machine: SshMachine, known_hosts: Path) -> None:
    log_in_while_up(machine, accept_new_host_key=True)
    machine.host_key = new_key()
    with pytest.raises(MachineError, match="is not the one recorded"):
        log_in_while_up(machine, accept_new_host_key=True)


def test_a_port_that_nobody_listens_on_refuses(home: Path) -> None:
    with pytest.raises(MachineError, match=r"refuses the connection\. Does the SSH server run there"):
        log_in(Login(HOST, port=closed_port(), user="alice", password=PASSWORD))


def test_a_refused_port_is_told_before_its_unknown_host_key(home: Path) -> None:
    with pytest.raises(MachineError, match="refuses the connection"):
        log_in(Login(HOST, port=closed_port(), user="alice", password=PASSWORD, accept_new_host_key=True))


def test_a_name_that_does_not_resolve_is_told(home: Path) -> None:
    with pytest.raises(MachineError, match="its name does not resolve"):
        log_in(Login("no-such-machine.invalid", port=22, user="alice", password=PASSWORD))


def test_a_server_that_speaks_no_ssh_is_told(home: Path) -> None:
    async def up() -> None:
        async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readline()
            writer.write(b"220 mail.example.org ESMTP\r\n")
            writer.close()

        server = await asyncio.start_server(greet, HOST, 0)
        async with server:
            await connect(Login(HOST, port=server.sockets[0].getsockname()[1], user="alice", password=PASSWORD))

    with pytest.raises(MachineError, match=r"hung up before the login was through\. Is that `port` an SSH server's"):
        asyncio.run(up())


def test_the_users_ssh_configuration_completes_a_login(machine: SshMachine, known_hosts: Path, home: Path) -> None:
    async def up() -> str:
        async with machine.running():
            known_hosts.write_text(machine.known_hosts_line())
            (home / ".ssh" / "config").write_text(
                f"Host gpu1\n  HostName {HOST}\n  Port {machine.port}\n  User alice\n"
            )
            transport = await connect(Login("gpu1", password=PASSWORD))
            try:
                return await run_shell(transport, "echo hello")
            finally:
                await transport.close()

    assert asyncio.run(up()) == "hello\n"


def test_a_login_shows_no_secret() -> None:
    login = Login("h", user="alice", password="hunter2", passphrase="open sesame")
    assert "hunter2" not in repr(login)
    assert "sesame" not in repr(login)


def test_a_connection_lost_in_the_middle_of_a_command_is_a_machine_error(
    machine: SshMachine, known_hosts: Path
) -> None:
    async def up() -> None:
        async with machine.running():
            known_hosts.write_text(machine.known_hosts_line())
            transport = await connect(machine.login())
            async with transport.run("echo begun; exec sleep 60") as stream:
                assert await stream.read(100) == b"begun\n"
                await machine.cut()
                await stream.read(100)

    with pytest.raises(MachineError, match=f"{HOST}: the connection was lost"):
        asyncio.run(up())


def test_a_command_on_a_lost_connection_is_a_machine_error(machine: SshMachine, known_hosts: Path) -> None:
    async def up() -> None:
        async with machine.running():
            known_hosts.write_text(machine.known_hosts_line())
            transport = await connect(machine.login())
            await machine.cut()
            await transport.wait_closed()
            await run_shell(transport, "true")

    with pytest.raises(MachineError, match="the connection was lost"):
        asyncio.run(up())


def test_a_forward_leads_to_the_machines_loopback(machine: SshMachine, known_hosts: Path) -> None:
    async def up() -> bytes:
        async def greet(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(b"dashboard")
            writer.close()

        server = await asyncio.start_server(greet, HOST, 0)
        async with server, machine.running():
            known_hosts.write_text(machine.known_hosts_line())
            transport = await connect(machine.login())
            port = await transport.forward(server.sockets[0].getsockname()[1])
            reader, writer = await asyncio.open_connection(HOST, port)
            answer = await reader.read()
            writer.close()
            await transport.close()
            return answer

    assert asyncio.run(up()) == b"dashboard"


@pytest.mark.parametrize("forwarding", [True, False])
def test_a_machine_that_forbids_forwarding_is_told_so_before_anything_starts_there(
    machine: SshMachine, known_hosts: Path, forwarding: bool
) -> None:
    machine.forwarding = forwarding

    async def up() -> None:
        async with machine.running():
            known_hosts.write_text(machine.known_hosts_line())
            transport = await connect(machine.login())
            try:
                await transport.check_forwarding()
            finally:
                await transport.close()

    with contextlib.nullcontext() if forwarding else pytest.raises(MachineError, match=r"Set AllowTcpForwarding in"):
        asyncio.run(up())


def test_a_forward_from_a_port_that_is_taken_is_an_os_error(machine: SshMachine, known_hosts: Path) -> None:
    async def up() -> None:
        server = await asyncio.start_server(lambda _, writer: writer.close(), HOST, 0)
        async with server, machine.running():
            known_hosts.write_text(machine.known_hosts_line())
            transport: SshTransport = await connect(machine.login())
            try:
                await transport.forward_from(server.sockets[0].getsockname()[1], 1)
            finally:
                await transport.close()

    with pytest.raises(OSError, match="in use"):
        asyncio.run(up())


def test_accept_new_finishes_the_last_line_of_known_hosts_first(machine: SshMachine, known_hosts: Path) -> None:
    before = f"example.org {new_key().export_public_key().decode().strip()}"
    known_hosts.write_text(before)
    log_in_while_up(machine, accept_new_host_key=True)
    assert known_hosts.read_text() == f"{before}\n{machine.known_hosts_line()}"


def test_accept_new_works_for_an_alias_of_the_users_ssh_configuration(
    machine: SshMachine, known_hosts: Path, home: Path
) -> None:
    async def up() -> None:
        async with machine.running():
            (home / ".ssh" / "config").write_text(
                f"Host gpu1\n  HostName {HOST}\n  Port {machine.port}\n  User alice\n"
            )
            await (await connect(Login("gpu1", password=PASSWORD, accept_new_host_key=True))).close()

    asyncio.run(up())
    assert known_hosts.read_text() == machine.known_hosts_line()


def test_a_host_key_of_another_type_than_the_recorded_one_has_changed(machine: SshMachine, known_hosts: Path) -> None:
    async def up() -> None:
        async with machine.running():
            known_hosts.write_text(machine.known_hosts_line(new_key("ecdsa-sha2-nistp256")))
            await connect(machine.login())

    with pytest.raises(MachineError, match="is not the one recorded"):
        asyncio.run(up())


def test_a_user_known_hosts_file_of_the_ssh_configuration_is_read_and_written(
    machine: SshMachine, known_hosts: Path, home: Path
) -> None:
    own = home / "hosts"
    (home / ".ssh" / "config").write_text(f"UserKnownHostsFile {own}\n")
    log_in_while_up(machine, accept_new_host_key=True)
    assert own.read_text() == machine.known_hosts_line()
    assert log_in_while_up(machine) == "hello\n"


def test_a_user_known_hosts_file_of_dev_null_remembers_nothing_and_is_not_used(
    machine: SshMachine, known_hosts: Path, home: Path
) -> None:
    (home / ".ssh" / "config").write_text("UserKnownHostsFile /dev/null\n")
    assert log_in_while_up(machine, accept_new_host_key=True) == "hello\n"
    assert known_hosts.read_text() == machine.known_hosts_line()


@pytest.mark.parametrize("given", [None, "wrong"])
def test_a_key_without_its_passphrase_asks_for_it(
    machine: SshMachine, known_hosts: Path, home: Path, given: str | None
) -> None:
    file = key_file(home, new_key(), "open sesame")
    with pytest.raises(MachineError, match=r"needs another passphrase.*sshPassphrase"):
        log_in_while_up(machine, known_hosts, password=None, key_file=file, passphrase=given)


def test_a_machine_that_is_not_reached_is_told_in_the_systems_words(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(*_: object, **__: object) -> None:
        raise OSError(errno.EHOSTUNREACH, "Connect call failed ('192.0.2.1', 22)")

    monkeypatch.setattr(asyncssh, "connect", fail)
    with pytest.raises(MachineError, match=r"^192.0.2.1: port 22 cannot be reached: No route to host"):
        log_in(Login("192.0.2.1", port=22, user="alice", password=PASSWORD))


def test_a_machine_that_does_not_answer_in_time_says_so(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def fail(*_: object, **__: object) -> None:
        raise asyncio.TimeoutError

    monkeypatch.setattr(asyncssh, "connect", fail)
    with pytest.raises(MachineError, match=r"^192.0.2.1: no answer on port 22 within"):
        log_in(Login("192.0.2.1", port=22, user="alice", password=PASSWORD))


@pytest.mark.parametrize("accepts", [True, False], ids=["a server that says nothing", "packets that vanish"])
def test_a_machine_that_keeps_silent_is_given_up_in_time(
    home: Path, monkeypatch: pytest.MonkeyPatch, accepts: bool
) -> None:
    monkeypatch.setattr(logins, "CONNECT_TIMEOUT_S", 0.3)
    with socket.create_server((HOST, 0), backlog=10 if accepts else 0) as listener, contextlib.ExitStack() as others:
        address = listener.getsockname()
        if not accepts:
            # Whoever comes after those that fill the queue gets no answer from the kernel.
            for _ in range(3):
                full = others.enter_context(socket.socket())
                full.setblocking(False)
                full.connect_ex(address)
        began = time.monotonic()
        with pytest.raises(MachineError, match=rf"^{HOST}: no answer on port {address[1]} within"):
            log_in(Login(HOST, port=address[1], user="alice", password=PASSWORD))
        assert time.monotonic() - began < 5


def test_an_error_here_while_a_command_runs_is_not_a_lost_connection(machine: SshMachine, known_hosts: Path) -> None:
    async def up() -> None:
        async with machine.running():
            known_hosts.write_text(machine.known_hosts_line())
            transport = await connect(machine.login())
            async with transport.run("true"):
                raise OSError("no space left here")

    with pytest.raises(OSError, match="no space left here"):
        asyncio.run(up())


def test_a_line_of_five_megabytes_arrives_as_one(machine: SshMachine, known_hosts: Path) -> None:
    async def up() -> list[int]:
        async with machine.running():
            known_hosts.write_text(machine.known_hosts_line())
            transport = await connect(machine.login())
            async with transport.run("head -c 5000000 /dev/zero | tr '\\0' x; echo; echo end") as stream:
                return [len(line) async for line in stream.lines()]

    assert asyncio.run(up()) == [5_000_001, 4]
