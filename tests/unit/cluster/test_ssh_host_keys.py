"""Host keys: unknown ones are refused or recorded as the user wants, and a changed one is never accepted."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from ssh_machine import HOST, PASSWORD, SshMachine, log_in_while_up, new_key

from ray_remote_nni.cluster.login import Login
from ray_remote_nni.cluster.ssh import connect
from ray_remote_nni.errors import MachineError


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
