"""A machine reached over SSH: one connection for everything."""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from weakref import WeakKeyDictionary

import asyncssh

from ray_remote_nni.cluster.host_keys import NewHostKeys, host_identity
from ray_remote_nni.cluster.login import Login, jump_hosts, login_options
from ray_remote_nni.cluster.login_errors import explain
from ray_remote_nni.cluster.transport import HostKeyTrust, lines_of
from ray_remote_nni.errors import MachineError

#: Logins under way at once; a jump host's SSH server drops connections when more than ten are not through yet.
LOGINS_AT_ONCE = 8
#: How long to wait before trying again where a server hangs up on newcomers, as with too many at once (MaxStartups).
_BUSY_PAUSES_S = (0.5, 1.0, 2.0, 4.0)
#: How long to wait for the end of a session, whose command may take its time, and for another one to be allowed.
_CLOSE_PATIENCE_S, _OPEN_PATIENCE_S = 1.0, 2.0
#: A port that nothing listens on: it is refused otherwise than what is forbidden.
_NO_SERVICE = 1
_LOST = (asyncssh.Error, OSError)
_HUNG_UP = (asyncssh.ConnectionLost, ConnectionResetError)
_TURNS: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Semaphore] = WeakKeyDictionary()


class SshTransport:
    """An open SSH connection to a machine: the last of `chain`, whose others are those to its jump hosts."""

    def __init__(
        self, host: str, chain: Sequence[asyncssh.SSHClientConnection], host_key_trust: HostKeyTrust | None = None
    ) -> None:
        self.host = host
        self.host_key_trust = host_key_trust
        self._chain = chain
        self._connection = chain[-1]

    @property
    def host_key(self) -> str | None:
        """The fingerprint of the key with which the machine showed itself."""
        key = self._connection.get_server_host_key()
        return None if key is None else key.get_fingerprint()

    @asynccontextmanager
    async def run(self, command: str) -> AsyncIterator[_SshStream]:
        """Run a command through the login shell of the machine."""
        with _losses(self.host):
            process = await self._open(command)
        try:
            yield _SshStream(self.host, process)
        finally:
            process.close()
            # The server counts the session until then, and may allow no other (MaxSessions).
            with contextlib.suppress(asyncio.TimeoutError, *_LOST):
                await asyncio.wait_for(process.wait_closed(), _CLOSE_PATIENCE_S)

    async def _open(self, command: str) -> asyncssh.SSHClientProcess[bytes]:
        deadline = time.monotonic() + _OPEN_PATIENCE_S
        while True:
            try:
                return await self._connection.create_process(command, encoding=None)
            except asyncssh.ChannelOpenError as error:
                if self._connection.is_closed():
                    raise
                if time.monotonic() > deadline:
                    raise MachineError(
                        self.host,
                        f"its SSH server opens no more sessions on a connection ({error.reason}).",
                        "To follow an experiment and see to it takes two: set MaxSessions in its sshd_config to 2 or "
                        "more (10 unless set), or have its administrator do so.",
                    ) from error
            await asyncio.sleep(0.1)

    async def forward(self, port: int) -> int:
        """Return a loopback port here that leads to a loopback port there, until the connection ends."""
        await self.check_forwarding()
        with _losses(self.host):
            listener = await self._connection.forward_local_port("127.0.0.1", 0, "127.0.0.1", port)
        return listener.get_port()

    async def check_forwarding(self) -> None:
        """Raise MachineError where the SSH server, or the key's line in authorized_keys, forbids forwarding."""
        with _losses(self.host):
            try:
                connecting = self._connection.open_connection("127.0.0.1", _NO_SERVICE)
                _, writer = await asyncio.wait_for(connecting, _OPEN_PATIENCE_S)
                writer.close()
            except asyncio.TimeoutError:
                return  # it is trying
            except asyncssh.ChannelOpenError as error:
                if error.code == asyncssh.OPEN_ADMINISTRATIVELY_PROHIBITED:
                    raise MachineError(
                        self.host,
                        f"its SSH server forbids port forwarding ({error.reason}), the only way to a head's dashboard.",
                        "Set AllowTcpForwarding in its sshd_config to yes or local, and take `restrict` and "
                        "`no-port-forwarding` from your key in its ~/.ssh/authorized_keys; or name another machine in "
                        "`ray.headNode`.",
                    ) from error
                if self._connection.is_closed():
                    raise

    async def forward_from(self, local_port: int, port: int) -> None:
        """Like `forward`, from a given port here. Raises OSError where that port is taken."""
        await self._connection.forward_local_port("127.0.0.1", local_port, "127.0.0.1", port)

    async def wait_closed(self) -> None:
        """Wait until the connection is gone."""
        await self._connection.wait_closed()

    async def close(self) -> None:
        """End the connection."""
        await _close(self._chain)


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

    def lines(self) -> AsyncGenerator[bytes, None]:
        # asyncssh's own lines end at 2 MiB.
        return lines_of(self.read)

    async def read(self, size: int) -> bytes:
        with _losses(self._host):
            return await self._process.stdout.read(size)

    async def wait(self) -> tuple[int, bytes]:
        with _losses(self._host):
            errors = await self._errors
            completed = await self._process.wait()
        code = completed.returncode
        return (255 if code is None else code), errors


async def connect(login: Login, label: str | None = None) -> SshTransport:
    """Log in, through jump hosts where OpenSSH's configuration has some; raise MachineError with cause and remedy.

    The transport calls the machine by `label`, else by its host.
    """
    async with _TURNS.setdefault(asyncio.get_running_loop(), asyncio.Semaphore(LOGINS_AT_ONCE)):
        chain: list[asyncssh.SSHClientConnection] = []
        try:
            trust = await _extend(chain, login)
        except BaseException:
            await _close(chain)
            raise
    return SshTransport(label or login.host, chain, trust)


async def _extend(chain: list[asyncssh.SSHClientConnection], login: Login) -> HostKeyTrust:
    """Append the connections that lead to a machine, its own the last; return how far its host key is to be trusted."""
    try:
        hops = jump_hosts(login)
    except Exception as error:
        raise await explain(login, error, None, None) from error
    for hop in hops:
        try:
            # What stands before the first hop is that hop's own affair.
            await (_append(chain, hop) if chain else _extend(chain, hop))
        except MachineError as error:
            raise MachineError(login.host, f"its jump host {hop.host}: {error.what}", error.remedy) from error
    return await _append(chain, login)


async def _append(chain: list[asyncssh.SSHClientConnection], login: Login) -> HostKeyTrust:
    tunnel = chain[-1] if chain else None
    pauses = iter(_BUSY_PAUSES_S)
    while True:
        host_keys: NewHostKeys | None = None
        try:
            identity = host_identity(login.host, login.port)
            host_keys = NewHostKeys(identity, accept=login.accept_new_host_key, password=login.password)
            options = login_options(login) | {"known_hosts": identity.known_hosts, "tunnel": tunnel}
            options["client_factory"] = lambda known=host_keys: known
            chain.append(await asyncssh.connect(login.host, **options))
            return host_keys.trust
        except Exception as error:
            busy = isinstance(error, _HUNG_UP) and host_keys is not None and not host_keys.admitted
            pause = next(pauses, None) if busy else None
            if pause is None:
                offered, wanted = (host_keys.offered, host_keys.wanted) if host_keys else (None, ())
                raise await explain(login, error, offered, tunnel, wanted) from error
        # Not all who come again do so at the same moment.
        await asyncio.sleep(pause * random.uniform(0.5, 1.5))


async def _close(chain: Sequence[asyncssh.SSHClientConnection]) -> None:
    for connection in reversed(chain):
        connection.close()
        await connection.wait_closed()
