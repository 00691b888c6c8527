"""Bytes come through a shell that reads and writes lines of text, by a relay in front of the program."""

from __future__ import annotations

import asyncio
import base64
import subprocess
import sys
from collections.abc import AsyncGenerator

from ray_remote_nni.cluster.windows.relay import RELAY, RelayedStream

#: Gives back what it reads, in reverse, then ends with exit code 7.
PROGRAM = "import sys; sys.stdout.buffer.write(sys.stdin.buffer.read()[::-1]); sys.stdout.flush(); sys.exit(7)"
CONTENT = bytes(range(256)) * 500


class TextualStream:
    """What PowerShell is to a program: it hands lines on, each as text, and ends them in its own way."""

    def __init__(self) -> None:
        self._received = b""
        self._printed = b""
        self._code = -1

    async def write(self, data: bytes) -> None:
        self._received += data

    def write_eof(self) -> None:
        lines = self._received.decode("ascii").splitlines()
        done = subprocess.run(
            [sys.executable, "-E", "-S", "-c", RELAY],
            input="".join(f"{line}\r\n" for line in lines).encode(),
            capture_output=True,
            timeout=60,
        )
        self._printed = b"".join(line + b"\r\n" for line in done.stdout.decode("ascii").encode().splitlines())
        assert max(map(len, self._printed.splitlines())) <= 76
        self._code = done.returncode

    async def lines(self) -> AsyncGenerator[bytes, None]:
        for line in self._printed.splitlines(keepends=True):
            yield line

    async def read(self, size: int) -> bytes:
        raise AssertionError("lines are what there is")

    async def wait(self) -> tuple[int, bytes]:
        return self._code, b""


def test_every_byte_comes_through_and_so_does_the_exit_code() -> None:
    async def run() -> tuple[bytes, int]:
        relayed = RelayedStream(TextualStream())
        await relayed.start([sys.executable, "-c", PROGRAM])
        await relayed.write(CONTENT)
        relayed.write_eof()
        found = b""
        while part := await relayed.read(1000):
            assert len(part) <= 1000
            found += part
        return found, (await relayed.wait())[0]

    assert asyncio.run(run()) == (CONTENT[::-1], 7)


def test_lines_are_those_of_the_program() -> None:
    async def run() -> list[bytes]:
        relayed = RelayedStream(TextualStream())
        # Without a name it is the Python of the relay.
        await relayed.start(["", "-c", r"print('one\n' + 'two' * 100, end='')"])
        relayed.write_eof()
        return [line async for line in relayed.lines()]

    assert asyncio.run(run()) == [b"one\n", b"two" * 100]


def test_what_is_sent_is_text_in_lines_that_are_not_too_long() -> None:
    stream = TextualStream()

    async def run() -> None:
        relayed = RelayedStream(stream)
        await relayed.write(CONTENT)

    asyncio.run(run())
    lines = stream._received.splitlines()
    assert b"".join(map(base64.b64decode, lines)) == CONTENT
    assert max(map(len, lines)) == 4096
