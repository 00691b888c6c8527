"""Python on a machine: started by whichever shell the machine has, with programs of ours that it need not have."""

from __future__ import annotations

import json
import secrets
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import IO, Any

from ray_remote_nni.cluster.remote.start_node import NODE_MARK
from ray_remote_nni.cluster.transport import Stream, Transport, quote, read_all
from ray_remote_nni.cluster.windows.commands import is_windows_path, run_on_windows
from ray_remote_nni.cluster.windows.recognise import windows_shell
from ray_remote_nni.errors import MachineError
from ray_remote_nni.words import last_line

#: A program with = in its path would be one more variable to env, so sh starts it.
_START = 'exec "$0" "$@"'
#: Runs what `sent_module` returns. The folder that Python is started in comes first on its path, and may hold a
#: random.py of the user's.
LOADER = "import sys; sys.path.pop(0); r = sys.stdin.buffer; exec(r.read(int(r.readline())))"


@asynccontextmanager
async def run_python(
    transport: Transport, python: str, arguments: Sequence[str], *, mark: str | None = None
) -> AsyncIterator[Stream]:
    """Run a Python of the machine, whose path says which system that has.

    With `mark`, its process bears the mark of the node in that folder; on Windows no process can be found by one.
    """
    if is_windows_path(python):
        shell = await windows_shell(transport)
        if shell is None:
            raise MachineError(
                transport.host,
                "it runs Windows, and its SSH server starts neither cmd nor PowerShell.",
                r"Let it start cmd, as it does where HKEY_LOCAL_MACHINE\SOFTWARE\OpenSSH has no DefaultShell.",
            )
        async with run_on_windows(transport, shell, [python, *arguments]) as stream:
            yield stream
        return
    marking = f"env {quote(f'{NODE_MARK}={mark}')} sh -c {quote(_START)} " if mark else ""
    words = " ".join(quote(word) for word in (python, *arguments))
    async with transport.run(f"exec {marking}{words}") as stream:
        yield stream


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
        output = await read_all(stream)
        code, errors = await stream.wait()
    _, separator, result = output.decode(errors="replace").rpartition(f"\n{mark}")
    if not separator:
        raise MachineError(transport.host, last_line(errors, f"{python} ended with exit code {code}."))
    return json.loads(result)


@asynccontextmanager
async def send_module(
    transport: Transport, python: str, module: Path, arguments: dict[str, Any], ending: str = ""
) -> AsyncIterator[Stream]:
    """Run `main(arguments, standard input)` of a module that the machine need not have; `ending` sees its `result`."""
    async with run_python(transport, python, ("-E", "-c", LOADER)) as stream:
        await stream.write(sent_module(module.read_text(encoding="utf-8"), arguments, ending))
        yield stream


def sent_module(source: str, arguments: dict[str, Any], ending: str = "") -> bytes:
    """Return what LOADER reads: a module of this source whose `main` is called, and its length before it."""
    encoded = f"{source}\nimport json, sys\nresult = main({arguments!r}, sys.stdin.buffer)\n{ending}".encode()
    return f"{len(encoded)}\n".encode() + encoded
