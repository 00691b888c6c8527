"""What a guard does for whoever connects to it, on any system: it runs one process tree for each connection.

Requests and answers are lines of JSON. The owner hears {"environment"}, asks with {"start"}, hears {"started"} or
{"error"}, and {"ended"} at last; whatever else it says, or its end, ends the tree.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from typing import Any, Generic, Protocol, TypeVar

from ray_remote_nni.guard.ownership import TREE_MARK
from ray_remote_nni.guard.places import Places


class RunningTree(Protocol):
    """A process tree; `ended` has the exit code of its first process, and the time of its end."""

    ended: asyncio.Future[tuple[int, float]]

    @property
    def root(self) -> int:
        """The PID of the first process."""


T = TypeVar("T", bound=RunningTree)


class Service(Generic[T]):
    """Serves owners of trees.

    `environment` is what they are told that trees inherit, `trees` are those that run, by name. `start(name, argv,
    cwd=…, environment=…, stdout=…, stderr=…)` may raise OSError; `end(tree)` returns when nothing of the tree is left,
    at once where that is so.
    """

    def __init__(
        self,
        environment: Mapping[str, str],
        trees: Mapping[str, T],
        start: Callable[..., T],
        end: Callable[[T], Awaitable[None]],
    ) -> None:
        self._greeting = _encode({"environment": dict(environment)})
        self._trees = trees
        self._start = start
        self._end = end
        self._places = Places()

    async def run(
        self, server: asyncio.AbstractServer, starting: Coroutine[Any, Any, bool], stopping: asyncio.Event
    ) -> None:
        """Let `server` serve until `stopping`, or until `starting` has failed; then end all trees."""
        starter = asyncio.ensure_future(starting)
        stop = asyncio.ensure_future(stopping.wait())
        await asyncio.wait({starter, stop}, return_when=asyncio.FIRST_COMPLETED)
        if not stop.done() and starter.result():
            await stop
        for task in (starter, stop):
            task.cancel()
        server.close()
        await asyncio.gather(*(self._end(tree) for tree in list(self._trees.values())))

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one owner to the end."""
        with contextlib.suppress(ConnectionError), contextlib.closing(writer):
            await self._run_tree(reader, writer)

    async def _run_tree(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(self._greeting)
        line = await reader.readline()
        if not line:
            return
        request: dict[str, Any] = json.loads(line)["start"]
        places: dict[str, int | None] = request["places"]
        listening = asyncio.ensure_future(reader.readline())
        try:
            if not places:
                await self._run_placed_tree(request, listening, writer)
            elif await self._entered(places, listening):
                try:
                    await self._run_placed_tree(request, listening, writer)
                finally:
                    self._places.leave(places)
        finally:
            listening.cancel()

    async def _entered(self, places: Mapping[str, int | None], listening: asyncio.Future[bytes]) -> bool:
        """Wait for room in the places that a tree wants; False where its owner goes away meanwhile."""
        entering = asyncio.ensure_future(self._places.enter(places))
        waiting: list[asyncio.Future[Any]] = [entering, listening]
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        if entering.done():
            return True
        entering.cancel()
        return False

    async def _run_placed_tree(
        self, request: Mapping[str, Any], listening: asyncio.Future[bytes], writer: asyncio.StreamWriter
    ) -> None:
        name = request["name"]
        if name in self._trees:
            _send(writer, {"error": f"a process tree named {name} runs already"})
            return
        try:
            tree = self._start(
                name,
                request["argv"],
                cwd=request["cwd"],
                environment={**request["environment"], TREE_MARK: name},
                stdout=request["stdout"],
                stderr=request["stderr"],
            )
        except OSError as error:
            _send(writer, {"error": f"{error.strerror}: {error.filename or request['argv'][0]}"})
            return
        reason: str | None = None
        try:
            _send(writer, {"started": {"pid": tree.root, "time": time.time()}})
            waiting: list[asyncio.Future[Any]] = [tree.ended, listening]
            await asyncio.wait(waiting, timeout=request["timeout_s"], return_when=asyncio.FIRST_COMPLETED)
            if not tree.ended.done():
                reason = _why_ended(listening)
        finally:
            await self._end(tree)
        code, when = tree.ended.result()
        _send(writer, {"ended": {"exit_code": code, "time": when, "reason": reason}})
        await writer.drain()


def _why_ended(listening: asyncio.Future[bytes]) -> str:
    if not listening.done():
        return "timeout"
    if listening.exception() is not None or not listening.result():
        return "owner lost"
    return "stopped"


def _send(writer: asyncio.StreamWriter, message: Mapping[str, Any]) -> None:
    writer.write(_encode(message))


def _encode(message: Mapping[str, Any]) -> bytes:
    return json.dumps(message).encode() + b"\n"
