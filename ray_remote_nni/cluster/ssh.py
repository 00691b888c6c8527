"""A machine reached over SSH: one connection for everything, and each way to fail with its own remedy."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncssh

from ray_remote_nni.cluster.host_keys import explain_host_key, host_identity, record_new_host_key
from ray_remote_nni.errors import MachineError

CONNECT_TIMEOUT_S = 15
LOGIN_TIMEOUT_S = 20
_LOST = (asyncssh.Error, OSError)


@dataclass(frozen=True)
class Login:
    """How to log in to a machine; `None` means what OpenSSH's own configuration says."""

    host: str
    port: int | None = None
    user: str | None = None
    password: str | None = None
    key_file: Path | None = None
    passphrase: str | None = None
    accept_new_host_key: bool = False

    def __repr__(self) -> str:
        return f"Login({self.user or ''}@{self.host}:{self.port or ''})"


class SshTransport:
    """An open SSH connection to a machine."""

    def __init__(self, host: str, connection: asyncssh.SSHClientConnection) -> None:
        self.host = host
        self._connection = connection

    @asynccontextmanager
    async def run(self, command: str) -> AsyncIterator[_SshStream]:
        """Run a command through the login shell of the machine."""
        with _losses(self.host):
            process = await self._connection.create_process(command, encoding=None)
        try:
            yield _SshStream(self.host, process)
        finally:
            process.close()

    async def forward(self, port: int) -> int:
        """Return a loopback port here that leads to a loopback port there, until the connection ends."""
        with _losses(self.host):
            listener = await self._connection.forward_local_port("127.0.0.1", 0, "127.0.0.1", port)
        return listener.get_port()

    async def forward_from(self, local_port: int, port: int) -> None:
        """Like `forward`, from a given port here. Raises OSError where that port is taken."""
        await self._connection.forward_local_port("127.0.0.1", local_port, "127.0.0.1", port)

    async def wait_closed(self) -> None:
        """Wait until the connection is gone."""
        await self._connection.wait_closed()

    async def close(self) -> None:
        """End the connection."""
        self._connection.close()
        await self._connection.wait_closed()


@contextmanager
def _losses(host: str) -> Iterator[None]:
    """Around what talks to the machine, and nothing else: any error in there means that it is not reached any more."""
    try:
        yield
    except _LOST as error:
        raise MachineError(host, f"the connection was lost ({error or type(error).__name__}).") from error


class _SshStream:
    def __init__(self, host: str, process: asyncssh.SSHClientProcess[bytes]) -> None:
        self._host = host
        self._process = process
        self._errors = asyncio.ensure_future(process.stderr.read())
        # Whoever learns of a lost connection otherwise does not wait for the end; asyncio would complain of that.
        self._errors.add_done_callback(lambda errors: errors.cancelled() or errors.exception())

    async def write(self, data: bytes) -> None:
        with _losses(self._host):
            try:
                for start in range(0, len(data), 2**18):
                    self._process.stdin.write(data[start : start + 2**18])
                    await self._process.stdin.drain()
            except BrokenPipeError:
                pass  # the command ended before it read all; its exit code and its words tell why

    def write_eof(self) -> None:
        with _losses(self._host):
            self._process.stdin.write_eof()

    async def lines(self) -> AsyncIterator[bytes]:
        # asyncssh's own lines end at 2 MiB.
        rest: list[bytes] = []
        while part := await self.read(2**18):
            *whole, last = part.split(b"\n")
            for line in whole:
                yield b"".join([*rest, line, b"\n"])
                rest = []
            rest.append(last)
        if last := b"".join(rest):
            yield last

    async def read(self, size: int) -> bytes:
        with _losses(self._host):
            return await self._process.stdout.read(size)

    async def wait(self) -> tuple[int, bytes]:
        with _losses(self._host):
            errors = await self._errors
            completed = await self._process.wait()
        code = completed.returncode
        return (255 if code is None else code), errors


async def connect(login: Login) -> SshTransport:
    """Log in; raise MachineError with cause and remedy where that fails."""
    try:
        if login.accept_new_host_key:
            await record_new_host_key(login.host, login.port)
        options = _options(login) | {"known_hosts": host_identity(login.host, login.port).known_hosts}
        connection = await asyncssh.connect(login.host, **options)
    except Exception as error:
        raise await _explain(login, error) from error
    return SshTransport(login.host, connection)


def _options(login: Login) -> dict[str, Any]:
    options: dict[str, Any] = {
        "connect_timeout": CONNECT_TIMEOUT_S,
        "login_timeout": LOGIN_TIMEOUT_S,
        "keepalive_interval": 15,
        "keepalive_count_max": 4,
    }
    if login.port is not None:
        options["port"] = login.port
    if login.user is not None:
        options["username"] = login.user
    if login.password is not None:
        # As in NNI, a password means that no key is tried.
        options |= {
            "password": login.password,
            "client_keys": None,
            "agent_path": None,
            "preferred_auth": "password,keyboard-interactive",
        }
    elif login.key_file is not None:
        options["client_keys"] = [str(login.key_file)]
    if login.passphrase is not None:
        options["passphrase"] = login.passphrase
    return options


async def _explain(login: Login, error: Exception) -> MachineError:
    host = login.host
    where = f"{host} port {login.port or 22}"
    match error:
        case asyncssh.HostKeyNotVerifiable():
            return await explain_host_key(login.host, login.port)
        case asyncssh.PermissionDenied():
            how = "the password" if login.password is not None else f"the key {login.key_file or 'of ~/.ssh'}"
            remedy = (
                "Check `password` (or its environment variable) and `user`."
                if login.password is not None
                else "Put the public key into the machine's ~/.ssh/authorized_keys, or name another `sshKeyFile`."
            )
            user = f" for user {login.user}" if login.user else ""
            return MachineError(host, f"the login failed: the machine does not accept {how}{user}.", remedy)
        case asyncssh.KeyExchangeFailed() if "host key" in str(error):
            # There is none of a type that is recorded for it.
            return await explain_host_key(login.host, login.port)
        case asyncssh.KeyEncryptionError():
            return MachineError(
                host, f"the key {login.key_file} needs another passphrase: {error}.", "Set `sshPassphrase` (or `ask`)."
            )
        case asyncssh.KeyImportError() if "assphrase" in str(error) or "decrypt" in str(error):
            return MachineError(
                host, f"the key {login.key_file} needs another passphrase.", "Set `sshPassphrase` (or `ask`)."
            )
        case asyncssh.KeyImportError():
            return MachineError(
                host, f"the key {login.key_file} cannot be read: {error}.", "Name a private key in `sshKeyFile`."
            )
        case socket.gaierror():
            return MachineError(host, "its name does not resolve.", "Check `host`, or write the address in its stead.")
        case TimeoutError() | asyncio.TimeoutError():  # two classes in Python 3.10
            return MachineError(
                host,
                f"no answer from {where} within {CONNECT_TIMEOUT_S} s.",
                "Is the machine on, and does a firewall let SSH through?",
            )
        case ConnectionRefusedError():
            return MachineError(
                host, f"{where} refuses the connection.", "Does the SSH server run there, on that `port`?"
            )
        case OSError() if error.filename == str(login.key_file):
            return MachineError(
                host, f"the key {login.key_file} cannot be read: {error.strerror}.", "Check `sshKeyFile`."
            )
        case OSError():
            # asyncio puts the address in the place of the system's words.
            why = os.strerror(error.errno) if error.errno else error
            return MachineError(host, f"{where} cannot be reached: {why}.", "Is the machine on, and the network?")
        case asyncssh.Error():
            return MachineError(host, f"SSH failed: {error}.", f"See what `ssh -v {host}` says.")
    return MachineError(host, f"SSH failed: {type(error).__name__}: {error}.")
