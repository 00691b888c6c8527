"""Each way in which a machine cannot be reached, or is lost, has its own cause and remedy."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import socket
import time
from dataclasses import replace
from pathlib import Path

import asyncssh
import pytest
from ssh_machine import HOST, PASSWORD, SshMachine, closed_port, log_in

from ray_remote_nni.cluster import login as logins
from ray_remote_nni.cluster import ssh
from ray_remote_nni.cluster.login import Login
from ray_remote_nni.cluster.ssh import SshTransport, connect
from ray_remote_nni.cluster.transport import run_shell
from ray_remote_nni.errors import MachineError


def test_a_port_that_nobody_listens_on_refuses(home: Path) -> None:
    with pytest.raises(MachineError, match=r"refuses the connection\. Does the SSH server run there"):
        log_in(Login(HOST, port=closed_port(), user="alice", password=PASSWORD))


def test_a_refused_port_is_told_before_its_unknown_host_key(home: Path) -> None:
    with pytest.raises(MachineError, match="refuses the connection"):
        log_in(Login(HOST, port=closed_port(), user="alice", password=PASSWORD, accept_new_host_key=True))


def test_a_name_that_does_not_resolve_is_told(home: Path) -> None:
    with pytest.raises(MachineError, match="its name does not resolve"):
        log_in(Login("no-such-machine.invalid", port=22, user="alice", password=PASSWORD))


def test_a_server_that_hangs_up_on_newcomers_while_it_is_busy_is_tried_again(
    machine: SshMachine, known_hosts: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ssh, "_BUSY_PAUSES_S", (0.01, 0.01))
    hung_up = []

    async def up() -> None:
        async def meet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            if len(hung_up) < 2:
                hung_up.append(1)
                writer.write(b"Exceeded MaxStartups\r\n")
                writer.close()
                return
            there, onward = await asyncio.open_connection(HOST, machine.port)
            await asyncio.gather(_pass_on(reader, onward), _pass_on(there, writer))

        async with machine.running(), await asyncio.start_server(meet, HOST, 0) as busy:
            port = busy.sockets[0].getsockname()[1]
            known_hosts.write_text(machine.known_hosts_line().replace(str(machine.port), str(port)))
            transport = await connect(replace(machine.login(), port=port))
            await transport.close()

    asyncio.run(up())
    assert len(hung_up) == 2


async def _pass_on(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    while part := await source.read(2**16):
        target.write(part)
    target.close()


def test_a_server_that_speaks_no_ssh_is_told(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ssh, "_BUSY_PAUSES_S", (0.01,))

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
