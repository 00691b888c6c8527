"""The forward that keeps the dashboard within reach."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from machine_values import cluster_state
from ssh_machine import HOST, SshMachine, closed_port

from ray_remote_nni.cluster import forward
from ray_remote_nni.cluster.login import Login
from ray_remote_nni.cluster.state import ForwardState


@asynccontextmanager
async def a_dashboard() -> AsyncIterator[int]:
    """Something that answers on this loopback, which is the machine's as well; its port."""

    async def greet(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"dashboard")
        writer.close()

    server = await asyncio.start_server(greet, HOST, 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


async def ask(port: int) -> bytes:
    """What answers on a port, once it does."""
    async with asyncio_timeout(10):
        while True:
            with contextlib.suppress(OSError):
                reader, writer = await asyncio.open_connection(HOST, port)
                answer = await reader.read()
                writer.close()
                if answer:
                    return answer
            await asyncio.sleep(0.01)


@asynccontextmanager
async def asyncio_timeout(seconds: float) -> AsyncIterator[None]:
    """Cancel what is inside after so many seconds (asyncio.timeout is new in Python 3.11)."""
    task = asyncio.current_task()
    assert task is not None
    handle = asyncio.get_running_loop().call_later(seconds, task.cancel)
    try:
        yield
    finally:
        handle.cancel()


def test_a_forward_comes_back_on_its_port_after_the_network_did(
    machine: SshMachine, known_hosts: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(forward, "_LONGEST_PAUSE_S", 0.05)
    port = closed_port()

    async def up() -> list[bytes]:
        async with a_dashboard() as behind:
            async with machine.running():
                known_hosts.write_text(machine.known_hosts_line())
                keeping = asyncio.ensure_future(forward._keep(machine.login(), port, behind))
                answers = [await ask(port)]
            async with machine.running():
                answers.append(await ask(port))
                keeping.cancel()
                await asyncio.gather(keeping, return_exceptions=True)
            return answers

    assert asyncio.run(up()) == [b"dashboard", b"dashboard"]


def test_a_forward_waits_for_a_machine_that_is_not_there_yet(
    machine: SshMachine, known_hosts: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(forward, "_LONGEST_PAUSE_S", 0.05)
    machine.port, port = closed_port(), closed_port()
    known_hosts.write_text(machine.known_hosts_line())

    async def up() -> bytes:
        async with a_dashboard() as behind:
            keeping = asyncio.ensure_future(forward._keep(machine.login(), port, behind))
            await asyncio.sleep(0)
            async with machine.running():
                answer = await ask(port)
                keeping.cancel()
                await asyncio.gather(keeping, return_exceptions=True)
            return answer

    assert asyncio.run(up()) == b"dashboard"


def test_nobody_takes_the_port_of_a_forward_while_the_network_is_away(
    machine: SshMachine, known_hosts: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(forward, "_LONGEST_PAUSE_S", 0.05)
    port = closed_port()

    async def up() -> bytes:
        async with a_dashboard() as behind:
            async with machine.running():
                known_hosts.write_text(machine.known_hosts_line())
                keeping = asyncio.ensure_future(forward._keep(machine.login(), port, behind))
                await ask(port)
            await asyncio.sleep(0.2)
            with forward._held_port(port) as anothers:
                assert anothers.getsockname()[1] != port
                async with machine.running():
                    answer = await ask(port)
            keeping.cancel()
            await asyncio.gather(keeping, return_exceptions=True)
            return answer

    assert asyncio.run(up()) == b"dashboard"


def test_a_forward_prefers_its_port_and_takes_another_where_that_is_taken() -> None:
    free = closed_port()
    with forward._held_port(free) as first, forward._held_port(free) as second:
        assert first.getsockname()[1] == free
        assert second.getsockname()[1] not in (0, free)


def test_a_forward_is_wanted_while_the_clusters_state_names_it(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.getpid", lambda: 4711)
    assert not forward._wanted("abc123")
    cluster_state(forward=ForwardState(port=1, pid=4711, start_ticks=1)).save()
    assert forward._wanted("abc123")
    cluster_state(forward=ForwardState(port=1, pid=4712, start_ticks=1)).save()
    assert not forward._wanted("abc123")


@pytest.mark.parametrize(
    "login",
    [
        Login("gpu1"),
        Login("192.0.2.1", 10022, "bob", password='it\'s "bob123"', accept_new_host_key=True),
        Login("192.0.2.1", 22, "alice", key_file=Path("/k/id"), passphrase="open sesame"),
    ],
)
def test_a_login_survives_the_pipe_to_the_background_process(login: Login) -> None:

    assert forward._from_json(json.loads(json.dumps(forward._to_json(login)))) == login
