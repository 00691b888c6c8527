"""A machine reached over SSH: one connection for everything, and each way to fail with its own remedy."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncssh

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
        try:
            process = await self._connection.create_process(command, encoding=None)
        except _LOST as error:
            raise self._lost(error) from error
        try:
            yield _SshStream(process)
        except _LOST as error:
            raise self._lost(error) from error
        finally:
            process.close()

    async def forward(self, port: int) -> int:
        """Return a loopback port here that leads to a loopback port there, until the connection ends."""
        try:
            listener = await self._connection.forward_local_port("127.0.0.1", 0, "127.0.0.1", port)
        except _LOST as error:
            raise self._lost(error) from error
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

    def _lost(self, error: BaseException) -> MachineError:
        return MachineError(self.host, f"the connection was lost ({error or type(error).__name__}).")


class _SshStream:
    def __init__(self, process: asyncssh.SSHClientProcess[bytes]) -> None:
        self._process = process
        self._errors = asyncio.ensure_future(process.stderr.read())

    async def write(self, data: bytes) -> None:
        try:
            for start in range(0, len(data), 2**18):
                self._process.stdin.write(data[start : start + 2**18])
                await self._process.stdin.drain()
        except BrokenPipeError:
            pass  # the command ended before it read all; its exit code and its words tell why

    def write_eof(self) -> None:
        self._process.stdin.write_eof()

    async def lines(self) -> AsyncIterator[bytes]:
        async for line in self._process.stdout:
            yield line

    async def read(self, size: int) -> bytes:
        return await self._process.stdout.read(size)

    async def wait(self) -> tuple[int, bytes]:
        errors = await self._errors
        completed = await self._process.wait()
        code = completed.returncode
        return (255 if code is None else code), errors


async def connect(login: Login) -> SshTransport:
    """Log in; raise MachineError with cause and remedy where that fails."""
    if login.accept_new_host_key:
        await _record_new_host_key(login)
    try:
        connection = await asyncssh.connect(login.host, **_options(login))
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
            return await _explain_host_key(login)
        case asyncssh.PermissionDenied():
            how = "the password" if login.password is not None else f"the key {login.key_file or 'of ~/.ssh'}"
            remedy = (
                "Check `password` (or its environment variable) and `user`."
                if login.password is not None
                else "Put the public key into the machine's ~/.ssh/authorized_keys, or name another `sshKeyFile`."
            )
            user = f" for user {login.user}" if login.user else ""
            return MachineError(host, f"the login failed: the machine does not accept {how}{user}.", remedy)
        case asyncssh.KeyEncryptionError():
            return MachineError(
                host, f"the key {login.key_file} needs another passphrase.", "Set `sshPassphrase` (or `ask`)."
            )
        case asyncssh.KeyImportError():
            return MachineError(
                host, f"the key {login.key_file} cannot be read: {error}.", "Name a private key in `sshKeyFile`."
            )
        case socket.gaierror():
            return MachineError(host, "its name does not resolve.", "Check `host`, or write the address in its stead.")
        case TimeoutError():
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
            return MachineError(
                host, f"{where} cannot be reached: {error.strerror or error}.", "Is the machine on, and the network?"
            )
        case asyncssh.Error():
            return MachineError(host, f"SSH failed: {error}.", f"See what `ssh -v {host}` says.")
    return MachineError(host, f"SSH failed: {type(error).__name__}: {error}.")


async def _offered_host_key(login: Login) -> asyncssh.SSHKey | None:
    asking = asyncssh.get_server_host_key(login.host, () if login.port is None else login.port)
    return await asyncio.wait_for(asking, CONNECT_TIMEOUT_S)


def _known_name(login: Login) -> str:
    return login.host if login.port in (None, 22) else f"[{login.host}]:{login.port}"


def _recorded_host_keys(login: Login) -> list[asyncssh.SSHKey]:
    files = [Path.home() / ".ssh/known_hosts", Path("/etc/ssh/ssh_known_hosts")]
    present = [str(file) for file in files if file.exists()]
    if not present:
        return []
    found = asyncssh.match_known_hosts(asyncssh.read_known_hosts(present), login.host, "", login.port or 22)
    return list(found[0])


async def _explain_host_key(login: Login) -> MachineError:
    try:
        offered = await _offered_host_key(login)
    except (OSError, asyncssh.Error):
        offered = None
    fingerprint = offered.get_fingerprint() if offered is not None else "(not shown)"
    port = "" if login.port in (None, 22) else f"-p {login.port} "
    if _recorded_host_keys(login):
        return MachineError(
            login.host,
            f"its host key {fingerprint} is not the one recorded for {_known_name(login)}: "
            "somebody may be listening in, or the machine was installed anew.",
            f"If you know why it changed: ssh-keygen -R '{_known_name(login)}', then log in with ssh once.",
        )
    return MachineError(
        login.host,
        f"its host key {fingerprint} is not known here.",
        f"Compare it with the machine's own, then: ssh-keyscan {port}{login.host} >> ~/.ssh/known_hosts, "
        "or pass --accept-new-host-keys.",
    )


async def _record_new_host_key(login: Login) -> None:
    """Add the machine's host key to known_hosts if none is recorded for it; a changed key is never accepted."""
    if _recorded_host_keys(login):
        return
    try:
        offered = await _offered_host_key(login)
    except (OSError, asyncssh.Error) as error:
        raise await _explain(login, error) from error
    if offered is None:
        return
    file = Path.home() / ".ssh/known_hosts"
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    line = f"{_known_name(login)} {offered.export_public_key().decode().strip()}\n"
    with file.open("a", encoding="utf-8") as known_hosts:
        known_hosts.write(line)
