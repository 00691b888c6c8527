"""What every way of reaching a machine can do, and how a script is run there."""

from __future__ import annotations

import asyncio
import re
import secrets
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import Literal, Protocol

from ray_remote_nni.errors import MachineError

#: A host key is the recorded one, is new and was recorded just now, or is not checked, as OpenSSH may be told to do.
HostKeyTrust = Literal["verified", "recorded", "unchecked"]

#: How long output may stay open once its command has ended.
_END_PATIENCE_S = 5.0


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
    begin, end = secrets.token_hex(8), secrets.token_hex(8)
    # Another shell, which the login shell's start-up file became, does not have that argument, and a start-up file that
    # reads a line takes the first. The braces make the shell read to the end before it runs anything that might read
    # standard input, too.
    text = (
        f'[ "$1" = {begin} ] && begun={begin}\n[ "$begun" ] || exit 1\ntrap "echo {end}" 0\n'
        f'{{ echo "$begun"\n{script}\n}} </dev/null\n'
    )
    async with transport.run(f"exec sh -s {begin}") as stream:
        await stream.write(text.encode())
        stream.write_eof()
        found, begun, result = (await _read_until(stream, end.encode(), transport.host)).partition(f"{begin}\n")
        if begun:
            return result
        code, errors = await stream.wait()
    said = [line for line in (found + "\n" + errors.decode(errors="replace")).splitlines() if line.strip()]
    told = [line for line in said if begin not in line and end not in line and any(map(str.isalnum, line))]
    raise NoShell(
        transport.host,
        f"its shell did not run a command (exit code {code}{': ' + told[-1].strip() if told else ''}).",
        f"`{by_hand(transport.host)}` must print ok, and end: see what ~/.bashrc, or the like, does where nobody is at "
        "a terminal (exit, exec, read). A restricted login shell (rbash, nologin) will not do.",
    )


def by_hand(label: str) -> str:
    """Return what to type to see whether the machine that is called so runs a command, and says nothing else."""
    host, _, port = label.partition(" port ")
    return f"ssh {f'-p {port} ' if port else ''}{host} echo ok 2>/dev/null"


async def _read_until(stream: Stream, end: bytes, host: str) -> str:
    """Return what is printed before `end`, or all where that does not come; nothing may come after it."""
    printed = bytearray()
    while end not in printed:
        part = await stream.read(65536)
        if not part:
            break
        printed += part
    else:
        try:
            await asyncio.wait_for(read_all(stream), _END_PATIENCE_S)
        except asyncio.TimeoutError as error:
            raise MachineError(
                host,
                "its shell ran a command, and something goes on in the background that holds its output open.",
                "Have whatever ~/.bashrc, or the like, starts with & print nowhere: >/dev/null 2>&1.",
            ) from error
    return printed.partition(end)[0].decode(errors="replace")


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
