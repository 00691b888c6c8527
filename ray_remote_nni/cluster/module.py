"""Running a module of ours that is installed on a machine, in the standard library alone."""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from typing import Any

from ray_remote_nni.cluster.interpreter import run_python
from ray_remote_nni.cluster.remote.start_node import NODE_MARK
from ray_remote_nni.cluster.transport import Stream, Transport, lines_of
from ray_remote_nni.cluster.windows.commands import is_windows_path
from ray_remote_nni.errors import MachineError
from ray_remote_nni.words import last_line


@asynccontextmanager
async def run_module(
    transport: Transport,
    python: str,
    library: str,
    module: str,
    arguments: tuple[str, ...] = (),
    mark: str | None = None,
) -> AsyncIterator[Stream]:
    """Run `main()` of a module of ours from the folder `library` on the machine.

    It neither sees nor touches the user's Python packages. What a login shell printed before is left out. With `mark`,
    its process bears the mark of the node in that folder.
    """
    words, setting = [library], ""
    if mark and is_windows_path(python):
        words, setting = [mark, library], f"import os; os.environ['{NODE_MARK}'] = sys.argv.pop(1); "
    begin = secrets.token_hex(8)
    # The line break ends whatever a login shell printed before. Our folder takes the place of the one that Python is
    # started in, which may hold a random.py of the user's.
    code = f"import sys; print(); print('{begin}', flush=True); {setting}sys.path[0] = sys.argv.pop(1)"
    argv = ("-S", "-E", "-c", f"{code}; from {module} import main; sys.exit(main())", *words, *arguments)
    async with run_python(transport, python, argv, mark=mark) as stream:
        yield _StreamFrom(begin, stream)


class _StreamFrom:
    """A stream from a line of its output on, which is not part of it; empty where that line never comes."""

    def __init__(self, begin: str, stream: Stream) -> None:
        self._begin = re.compile(rb"\n" + begin.encode() + rb"\r?\n")
        self._stream = stream
        self._begun = False
        self._rest = b""

    async def write(self, data: bytes) -> None:
        await self._stream.write(data)

    def write_eof(self) -> None:
        self._stream.write_eof()

    def lines(self) -> AsyncGenerator[bytes, None]:
        return lines_of(self.read)

    async def read(self, size: int) -> bytes:
        while not self._begun:
            part = await self._stream.read(2**16)
            if not part:
                return b""
            seen = self._rest + part
            found = self._begin.search(seen)
            self._begun = found is not None
            # Of what comes before as much is kept as may be the beginning of that line.
            self._rest = seen[found.end() :] if found else seen[-len(self._begin.pattern) :]
        if self._rest:
            part, self._rest = self._rest[:size], self._rest[size:]
            return part
        return await self._stream.read(size)

    async def wait(self) -> tuple[int, bytes]:
        return await self._stream.wait()


async def answers(
    stream: Stream, question: dict[str, Any], *, last: str | None = None
) -> tuple[list[dict[str, Any]], str]:
    """Send a JSON object; return the JSON objects that were printed, and the last line of standard error.

    Other lines are passed over: what a login shell left in the background may print some. The answer with the key
    `last` is not waited beyond: who stays in the background may hold standard output open.
    """
    await stream.write(json.dumps(question).encode())
    stream.write_eof()
    found = []
    async with aclosing(stream.lines()) as lines:
        async for line in lines:
            if (answer := json_object(line)) is not None:
                found.append(answer)
                if last in answer:
                    return found, ""
    _, errors = await stream.wait()
    return found, last_line(errors, "")


def json_object(line: bytes) -> dict[str, Any] | None:
    """Return the JSON object that a line is; None for another line."""
    try:
        found = json.loads(line)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


async def ask_module(
    transport: Transport, python: str, library: str, module: str, question: dict[str, Any]
) -> dict[str, Any]:
    """Run a module of ours that answers one JSON object with another. Raises MachineError where it does not."""
    async with run_module(transport, python, library, module) as stream:
        found, said = await answers(stream, question)
    if not found:
        raise MachineError(transport.host, said or "it gave no answer.")
    return found[-1]
