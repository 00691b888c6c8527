"""What every way of reaching a machine can do, and how a script is run there."""

from __future__ import annotations

import re
import secrets
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import Literal, Protocol

from ray_remote_nni.errors import MachineError

#: A host key is the recorded one, is new and was recorded just now, or is not checked, as OpenSSH may be told to do.
HostKeyTrust = Literal["verified", "recorded", "unchecked"]


class Stream(Protocol):
    """A command that runs on a machine: its standard input and output, and its end."""

    async def write(self, data: bytes) -> None:
        """Send to standard input; waits while the machine is slow to read."""

    def write_eof(self) -> None:
        """Close standard input."""

    def lines(self) -> AsyncGenerator[bytes, None]:
        """Yield standard output line by line, until its end."""

    async def read(self, size: int) -> bytes:
        """Read up to `size` bytes of standard output; empty at its end."""

    async def wait(self) -> tuple[int, bytes]:
        """Wait for the end; return the exit code and what was printed on standard error."""


class Transport(Protocol):
    """One machine, reached. All methods raise MachineError where the machine does not answer any more."""

    #: What the machine is called, for a person.
    host: str

    @property
    def host_key(self) -> str | None:
        """The fingerprint of the key with which the machine showed itself; None without SSH."""

    @property
    def host_key_trust(self) -> HostKeyTrust | None:
        """How far that key is to be trusted; None without SSH."""

    def run(self, command: str) -> AbstractAsyncContextManager[Stream]:
        """Run a command through the machine's login shell, whichever that is, so keep it simple."""

    async def forward(self, port: int) -> int:
        """Return a loopback port here that leads to a loopback port there, until the connection ends."""

    async def check_forwarding(self) -> None:
        """Raise MachineError where the machine forbids `forward`."""

    async def close(self) -> None:
        """End the connection."""


class NoShell(MachineError):
    """The machine lets us in, and its login shell does not know how to run sh."""


def quote(argument: str) -> str:
    """Quote an argument so that sh, bash, zsh, fish and csh all read it as one word; csh has none with a line break."""
    if "\n" in argument:
        raise ValueError(f"{argument!r} holds a line break")
    # Between quotes fish reads \\' and \\\\, and csh expands !, so all of these stand outside.
    return "'" + re.sub(r"['\\!]", lambda special: f"'\\{special[0]}'", argument) + "'"


async def run_shell(transport: Transport, script: str) -> str:
    """Run a POSIX shell script, whatever the login shell; return what it printed, without a login shell's noise.

    The script travels on standard input, so that nothing in it is seen in a list of processes.
    """
    mark = secrets.token_hex(8)
    # The braces make the shell read to the end before it runs anything that might read standard input, too.
    text = f"{{ echo {mark}\n{script}\n}} </dev/null\n"
    async with transport.run("exec sh -s") as stream:
        await stream.write(text.encode())
        stream.write_eof()
        output = await read_all(stream)
        code, errors = await stream.wait()
    found, separator, result = output.decode(errors="replace").partition(f"{mark}\n")
    if not separator:
        said = (errors.decode(errors="replace").strip() or found.strip()).splitlines()
        raise NoShell(
            transport.host,
            f"its shell did not run a command (exit code {code}{': ' + said[-1] if said else ''}).",
            "Log in with ssh and see what it says.",
        )
    return result


async def lines_of(read: Callable[[int], Awaitable[bytes]]) -> AsyncGenerator[bytes, None]:
    """Yield what `read` reads line by line, of whatever length."""
    rest: list[bytes] = []
    while part := await read(2**18):
        *whole, last = part.split(b"\n")
        for line in whole:
            yield b"".join([*rest, line, b"\n"])
            rest = []
        rest.append(last)
    if last := b"".join(rest):
        yield last


async def read_all(stream: Stream) -> bytes:
    """Return standard output to its end."""
    parts = []
    while part := await stream.read(65536):
        parts.append(part)
    return b"".join(parts)
