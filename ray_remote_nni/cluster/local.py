"""This machine as a machine of a cluster: the same commands as over SSH, without SSH."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager


class LocalTransport:
    """Runs commands here, in the caller's own environment."""

    def __init__(self, host: str = "localhost") -> None:
        self.host = host
        self.host_key = None
        self.host_key_trust = None

    @asynccontextmanager
    async def run(self, command: str) -> AsyncIterator[_LocalStream]:
        """Run a command through sh."""
        process = await asyncio.create_subprocess_exec(
            "/bin/sh",
            "-c",
            command,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            limit=2**26,
            # A Ctrl-C at our terminal is ours to answer, and a command that is given up ends with its children.
            start_new_session=True,
        )
        try:
            yield _LocalStream(process)
        finally:
            if process.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                await process.wait()

    async def forward(self, port: int) -> int:
        """Return the port itself: what listens on this machine's loopback is within reach."""
        return port

    async def check_forwarding(self) -> None:
        """Do nothing: nobody forbids it."""

    async def close(self) -> None:
        """Do nothing: there is no connection."""


class _LocalStream:
    def __init__(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        self._process = process
        self._input = process.stdin
        self._output = process.stdout
        self._errors = asyncio.ensure_future(process.stderr.read())

    async def write(self, data: bytes) -> None:
        try:
            self._input.write(data)
            await self._input.drain()
        except (BrokenPipeError, ConnectionResetError):
            # The command ended before it read all; its exit code and its words tell why. Before Python 3.11.5 asyncio
            # complains on our standard error unless somebody takes note of it.
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                await self._input.wait_closed()

    def write_eof(self) -> None:
        self._input.close()

    async def lines(self) -> AsyncGenerator[bytes, None]:
        async for line in self._output:
            yield line

    async def read(self, size: int) -> bytes:
        return await self._output.read(size)

    async def wait(self) -> tuple[int, bytes]:
        errors = await self._errors
        return await self._process.wait(), errors
