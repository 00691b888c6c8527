"""Bytes through PowerShell, which makes lines of text of what its programs read and print.

So what is sent goes as lines of base64 to a Python on the machine, which starts the program and answers in kind. A
first line from here says which: none of it stands on the command line.
"""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncGenerator, Sequence
from pathlib import Path

from ray_remote_nni.cluster.remote.relay import MARK
from ray_remote_nni.cluster.transport import Stream, lines_of

_SOURCE = (Path(__file__).parents[1] / "remote/relay.py").read_bytes()
#: The program of the relay as an argument of Python, without double quotes, which PowerShell may not hand over.
RELAY = f"import base64; exec(base64.b64decode('{base64.b64encode(_SOURCE).decode()}'))"
#: So many bytes make a line; PowerShell treats each as an object.
_LINE_BYTES = 3 * 2**10


class RelayedStream:
    """The program behind the relay, as if it were the command itself."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self._lines = stream.lines()
        self._rest = b""
        self._begun = False

    async def start(self, argv: Sequence[str]) -> None:
        """Say which program it is; an empty name is the Python of the relay itself."""
        await self.write(json.dumps(list(argv)).encode(), line_bytes=2**20)

    async def write(self, data: bytes, *, line_bytes: int = _LINE_BYTES) -> None:
        """Send to the program's standard input."""
        parts = (data[start : start + line_bytes] for start in range(0, len(data), line_bytes))
        await self._stream.write(b"".join(base64.b64encode(part) + b"\n" for part in parts))

    def write_eof(self) -> None:
        """Close it."""
        self._stream.write_eof()

    def lines(self) -> AsyncGenerator[bytes, None]:
        """Yield the program's standard output line by line, until its end."""
        return lines_of(self.read)

    async def read(self, size: int) -> bytes:
        """Read up to `size` bytes of it; empty at its end."""
        while not self._rest:
            line = await anext(self._lines, None)
            if line is None:
                return b""
            # What comes before is the noise of a profile.
            if self._begun:
                self._rest = base64.b64decode(line)
            elif line.strip() == MARK.encode():
                self._begun = True
        part, self._rest = self._rest[:size], self._rest[size:]
        return part

    async def wait(self) -> tuple[int, bytes]:
        """Wait for the end; return the exit code and what was printed on standard error."""
        return await self._stream.wait()
