"""An SSH server in this process, on a port of its own, whose login shell is whichever a test wants; ways into it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import asyncssh

from ray_remote_nni.cluster.login import Login
from ray_remote_nni.cluster.ssh import connect
from ray_remote_nni.cluster.transport import run_shell

HOST = "127.0.0.1"
USER = "alice"
PASSWORD = "correct horse"


def new_key(kind: str = "ssh-ed25519") -> asyncssh.SSHKey:
    """A key to throw away."""
    return asyncssh.generate_private_key(kind)


@dataclass
class SshMachine:
    """A machine that can be logged in to; `home` is where commands run, `environment` what they find there."""

    home: Path
    shell: tuple[str, ...] = ("/bin/sh", "-c")
    host_key: asyncssh.SSHKey = field(default_factory=new_key)
    authorized: list[asyncssh.SSHKey] = field(default_factory=list)
    environment: dict[str, str] = field(default_factory=dict)
    forwarding: bool = True
    #: The ways to log in that it wants, one after the other; with none, either of them will do.
    methods: tuple[str, ...] = ()
    port: int = 0
    commands: list[str] = field(default_factory=list)
    connections: list[asyncssh.SSHServerConnection] = field(default_factory=list)
    _handlers: int = 0

    @asynccontextmanager
    async def running(self) -> AsyncIterator[SshMachine]:
        """Serve on a free port, or again on the one that it had."""
        server = await asyncssh.listen(
            HOST,
            self.port,
            server_factory=lambda: _Server(self),
            server_host_keys=[self.host_key],
            process_factory=self._run,
            encoding=None,
        )
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()
            await self.cut()
            await server.wait_closed()
            while self._handlers:
                await asyncio.sleep(0.001)

    async def cut(self) -> None:
        """End all connections in the middle of whatever they do."""
        for connection in self.connections:
            connection.abort()
        await asyncio.gather(*(connection.wait_closed() for connection in self.connections), return_exceptions=True)
        self.connections.clear()

    def login(self, **changes: Any) -> Login:
        """The login that works, but for the changes."""
        return Login(**{"host": HOST, "port": self.port, "user": USER, "password": PASSWORD, **changes})

    def known_hosts_line(self, key: asyncssh.SSHKey | None = None) -> str:
        """What ssh-keyscan would print."""
        return f"[{HOST}]:{self.port} {(key or self.host_key).export_public_key().decode().strip()}\n"

    async def _run(self, process: asyncssh.SSHServerProcess[bytes]) -> None:
        self._handlers += 1
        try:
            await self._serve(process)
        except (asyncssh.Error, OSError):
            pass  # the client is gone
        finally:
            self._handlers -= 1

    async def _serve(self, process: asyncssh.SSHServerProcess[bytes]) -> None:
        assert process.command is not None
        self.commands.append(process.command)
        child = await asyncio.create_subprocess_exec(
            *self.shell,
            process.command,
            cwd=self.home,
            env={"PATH": os.environ["PATH"], "HOME": str(self.home), **self.environment},
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        feeding = asyncio.ensure_future(_pump(process.stdin, child.stdin))
        speaking = asyncio.gather(_pump(child.stdout, process.stdout), _pump(child.stderr, process.stderr))
        gone = asyncio.ensure_future(process.channel.wait_closed())
        await asyncio.wait({speaking, gone}, return_when=asyncio.FIRST_COMPLETED)
        if not speaking.done():
            child.kill()
        await speaking
        process.exit(await child.wait())
        for task in (feeding, gone):
            task.cancel()


async def _pump(source: Any, target: Any) -> None:
    with contextlib.suppress(asyncssh.Error, OSError):
        while part := await source.read(2**16):
            target.write(part)
            await target.drain()
    if isinstance(target, asyncio.StreamWriter):
        target.close()


class _Server(asyncssh.SSHServer):
    def __init__(self, machine: SshMachine) -> None:
        self._machine = machine
        self._missing = list(machine.methods)

    def connection_made(self, connection: asyncssh.SSHServerConnection) -> None:
        self._machine.connections.append(connection)
        succeed = connection.send_userauth_success

        async def accept() -> None:
            # asyncssh's servers know no partial success.
            del self._missing[:1]
            if self._missing:
                connection.send_userauth_failure(True)
            else:
                await succeed()

        connection.send_userauth_success = accept  # type: ignore[method-assign]

    def password_auth_supported(self) -> bool:
        return self._missing[:1] != ["publickey"]

    def kbdint_auth_supported(self) -> bool:
        return False

    def validate_password(self, username: str, password: str) -> bool:
        return (username, password) == (USER, PASSWORD)

    def public_key_auth_supported(self) -> bool:
        return self._missing[:1] != ["password"]

    def validate_public_key(self, username: str, key: asyncssh.SSHKey) -> bool:
        return username == USER and key in self._machine.authorized

    def connection_requested(self, dest_host: str, dest_port: int, orig_host: str, orig_port: int) -> bool:
        if not self._machine.forwarding:
            raise asyncssh.ChannelOpenError(asyncssh.OPEN_ADMINISTRATIVELY_PROHIBITED, "open failed")
        return dest_host == HOST


def closed_port() -> int:
    """A port that nothing listens on."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


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
