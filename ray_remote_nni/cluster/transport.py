"""What every way of reaching a machine can do, and how Python code is run there."""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import IO, Any, Literal, Protocol

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
        output = await _read_all(stream)
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


async def call_python(
    transport: Transport, python: str, module: Path, arguments: dict[str, Any], data: IO[bytes]
) -> Any:
    """Run a module of ours on a machine that need not have it, and return what its `main` returns.

    `module` is a file of the standard library's Python, with a function `main(arguments, stream)`; arguments and
    result are JSON, `stream` reads `data`. All travels on standard input: no argument is seen in a list of processes.
    """
    mark = secrets.token_hex(8)
    ending = f"print('\\n{mark}' + json.dumps(result), flush=True)\n"
    async with send_module(transport, python, module, arguments, ending) as stream:
        while part := data.read(2**18):
            await stream.write(part)
        stream.write_eof()
        output = await _read_all(stream)
        code, errors = await stream.wait()
    _, separator, result = output.decode(errors="replace").rpartition(f"\n{mark}")
    if not separator:
        said = errors.decode(errors="replace").strip().splitlines()
        raise MachineError(transport.host, said[-1] if said else f"{python} ended with exit code {code}.")
    return json.loads(result)


@asynccontextmanager
async def send_module(
    transport: Transport, python: str, module: Path, arguments: dict[str, Any], ending: str = ""
) -> AsyncIterator[Stream]:
    """Run `main(arguments, standard input)` of a module that the machine need not have; `ending` sees its `result`."""
    source = module.read_text(encoding="utf-8") + (
        f"\nimport json, sys\nresult = main({arguments!r}, sys.stdin.buffer)\n{ending}"
    )
    encoded = source.encode()
    # The folder that Python is started in comes first on its path, and may hold a random.py of the user's.
    loader = "import sys; sys.path.pop(0); r = sys.stdin.buffer; exec(r.read(int(r.readline())))"
    async with transport.run(f"exec {quote(python)} -E -c {quote(loader)}") as stream:
        await stream.write(f"{len(encoded)}\n".encode() + encoded)
        yield stream


async def _read_all(stream: Stream) -> bytes:
    parts = []
    while part := await stream.read(65536):
        parts.append(part)
    return b"".join(parts)
