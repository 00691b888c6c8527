"""The guard itself: starts the machine's daemons, and process trees for whoever connects to its socket."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial

from ray_remote_nni.guard.ownership import TREE_MARK, Orphanage, Tree
from ray_remote_nni.guard.processes import child_pids, descendants, environment_of, name_of, process_table
from ray_remote_nni.guard.service import Service
from ray_remote_nni.guard.settings import DAEMON_GRACE_S, DAEMONS, GRACE_S, Settings

_POLL_S = 0.05


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
        self._trees: dict[str, _Running] = {}
        start = partial(self._start, umask=settings.umask)
        self._service = Service(settings.environment, self._trees, start, self._end)
        self._orphans = Orphanage(os.getpid(), environment_of)
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
        server = await asyncio.start_unix_server(self._service.serve, str(self._settings.socket), limit=2**24)
        await self._service.run(server, self._start_daemons(), self._stopping)
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
