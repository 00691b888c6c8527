"""The guard itself: starts the machine's daemons, and process trees for whoever connects to its socket."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ray_remote_nni.guard.ownership import TREE_MARK, Orphanage, Tree
from ray_remote_nni.guard.places import Places
from ray_remote_nni.guard.processes import child_pids, descendants, environment_of, name_of, process_table

#: The name of the daemons' tree, whose end ends the guard.
DAEMONS = "daemons"
#: Time between SIGTERM and SIGKILL: with what it takes to notice, a tree is gone within 5 s.
GRACE_S = 4.0
#: The same for daemons, which have nothing to save.
DAEMON_GRACE_S = 0.5
_POLL_S = 0.05


@dataclass(frozen=True)
class Settings:
    """What a guard is started with.

    `daemon_argv` is a command that starts daemons and returns. Those of them whose command names are in `essential`
    end the guard when they end. `environment` is what process trees inherit (before what their owners change),
    `daemon_environment` what the daemons have in its stead. `directory` holds the guard's files. `umask` is that of
    process trees; -1 is the guard's own.
    """

    directory: Path
    socket: Path
    daemon_argv: list[str]
    daemon_environment: Mapping[str, str]
    essential: frozenset[str]
    environment: Mapping[str, str]
    umask: int = -1


@dataclass
class _Running(Tree):
    process: subprocess.Popen[bytes] | None = None
    grace_s: float = GRACE_S
    ended: asyncio.Future[tuple[int, float]] = field(default_factory=asyncio.Future)


class Guard:
    """Serves until a daemon ends or it gets SIGTERM; nothing that it started outlives it.

    `report` is called once, when the daemons run or could not be started, with the starting command's exit code.
    """

    def __init__(self, settings: Settings, report: Callable[[int], None]) -> None:
        self._settings = settings
        self._report = report
        self._greeting = _encode({"environment": dict(settings.environment)})
        self._trees: dict[str, _Running] = {}
        self._orphans = Orphanage(os.getpid(), environment_of)
        self._places = Places()
        self._daemons: set[int] = set()
        self._essential: set[int] = set()
        self._stopping = asyncio.Event()

    async def run(self) -> None:
        """Serve."""
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGCHLD, self._reap)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            loop.add_signal_handler(number, self._stopping.set)
        # The folder is 0700: who can reach the socket may start processes as us.
        server = await asyncio.start_unix_server(self._serve, str(self._settings.socket), limit=2**24)
        starter = asyncio.ensure_future(self._start_daemons())
        stop = asyncio.ensure_future(self._stopping.wait())
        await asyncio.wait({starter, stop}, return_when=asyncio.FIRST_COMPLETED)
        if not stop.done() and starter.result():
            await stop
        for task in (starter, stop):
            task.cancel()
        server.close()
        await asyncio.gather(*(self._end(tree) for tree in list(self._trees.values())))
        await end_children(os.getpid())
        with contextlib.suppress(FileNotFoundError):
            self._settings.socket.unlink()

    async def _start_daemons(self) -> bool:
        log = str(self._settings.directory / "daemons.log")
        tree = self._start(
            DAEMONS,
            self._settings.daemon_argv,
            cwd=str(self._settings.directory),
            environment={**self._settings.daemon_environment, TREE_MARK: DAEMONS},
            stdout=log,
            stderr=log,
        )
        tree.may_hide, tree.grace_s = False, DAEMON_GRACE_S
        code, _ = await tree.ended
        # The daemons lost their parent, the starting command, and so are our children now.
        self._daemons = set(child_pids(os.getpid()))
        self._essential = {pid for pid in self._daemons if name_of(pid) in self._settings.essential}
        self._report(code)
        return code == 0 and bool(self._essential)

    def _start(
        self,
        name: str,
        argv: list[str],
        *,
        cwd: str,
        environment: Mapping[str, str],
        stdout: str,
        stderr: str,
        umask: int = -1,
    ) -> _Running:
        with open(stdout, "ab") as out, open(stderr, "ab") as err:
            process = subprocess.Popen(
                argv,
                cwd=cwd,
                env=dict(environment),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                start_new_session=True,
                umask=umask,
            )
        tree = _Running(name=name, root=process.pid, process=process)
        self._trees[name] = tree
        return tree

    def _reap(self) -> None:
        """Collect every child that ended, orphans that we adopted included."""
        now = time.time()
        roots = {tree.root: tree for tree in self._trees.values()}
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            if pid in self._essential:
                self._stopping.set()
            tree = roots.get(pid)
            if tree is not None and tree.process is not None and not tree.ended.done():
                code = os.waitstatus_to_exitcode(status)
                tree.process.returncode = code
                tree.ended.set_result((code if code >= 0 else 128 - code, now))

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
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
                umask=self._settings.umask,
            )
        except OSError as error:
            _send(writer, {"error": f"{error.strerror}: {error.filename}"})
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

    async def _end(self, tree: _Running) -> None:
        """End a tree: SIGTERM, its grace, SIGKILL, until nothing of it is left; return at once where nothing is."""
        deadline = time.monotonic() + tree.grace_s
        number = signal.SIGTERM
        told: set[int] = set()
        while True:
            members = self._members(tree)
            if not members and tree.ended.done():
                break
            if time.monotonic() >= deadline:
                number = signal.SIGKILL
            for pid in members if number == signal.SIGKILL else members - told:
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.kill(pid, number)
            told |= members
            await asyncio.sleep(_POLL_S)
            self._reap()
        self._trees.pop(tree.name, None)

    def _members(self, tree: _Running) -> set[int]:
        if tree.ended.done() and tree.name != DAEMONS:
            # The common case, and it must cost next to nothing: the root has ended, and nothing was orphaned.
            children = set(child_pids(os.getpid()))
            if children <= self._daemons | {other.root for other in self._trees.values()}:
                return set()
        return self._orphans.members(tree, self._trees, process_table())


async def end_children(parent: int, grace_s: float = 1.0) -> None:
    """End whatever is still below `parent`."""
    deadline = time.monotonic() + grace_s
    while True:
        table = process_table()
        left = {pid for pid in descendants([parent], table) if not table[pid].zombie} - {parent}
        if not left:
            return
        number = signal.SIGTERM if time.monotonic() < deadline else signal.SIGKILL
        for pid in left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)
        await asyncio.sleep(_POLL_S)


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
