"""Logging in over SSH: what works, and what is said of passwords and keys that do not."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from ssh_machine import HOST, PASSWORD, SshMachine, key_file, log_in_while_up, new_key

from ray_remote_nni.cluster.login import Login
from ray_remote_nni.cluster.ssh import connect
from ray_remote_nni.cluster.transport import run_shell
from ray_remote_nni.errors import MachineError

# Throw-away keys may be weak.
pytestmark = pytest.mark.filterwarnings("ignore:.*bcrypt.kdf")


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


@pytest.mark.parametrize("given", [None, "wrong"])
def test_a_key_without_its_passphrase_asks_for_it(
    machine: SshMachine, known_hosts: Path, home: Path, given: str | None
) -> None:
    file = key_file(home, new_key(), "open sesame")
    with pytest.raises(MachineError, match=r"needs another passphrase.*sshPassphrase"):
        log_in_while_up(machine, known_hosts, password=None, key_file=file, passphrase=given)
