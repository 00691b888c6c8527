"""The guard of a Windows machine: each process tree is a job, and what its owner or the guard leaves of it ends."""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import json
import secrets
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ray_remote_nni.guard.ownership import TREE_MARK
from ray_remote_nni.guard.service import Service
from ray_remote_nni.guard.settings import DAEMON_GRACE_S, DAEMONS, GRACE_S, Settings
from ray_remote_nni.guard.windows import processes
from ray_remote_nni.guard.windows.address import Address
from ray_remote_nni.guard.windows.job import Job
from ray_remote_nni.guard.windows.kernel import resume

_POLL_S = 0.05
_SUSPENDED, _NEW_GROUP = 0x4, 0x200
#: As after signal 9 elsewhere: what a tree that was ended at once leaves as its exit code.
_KILLED = 128 + 9
#: How a program ends that does nothing about Ctrl+Break, and what signal 2 makes of one elsewhere.
_INTERRUPTED = {0xC000013A: 128 + 2}


@dataclass
class _Running:
    name: str
    job: Job
    process: subprocess.Popen[bytes]
    grace_s: float = GRACE_S
    ended: asyncio.Future[tuple[int, float]] = field(default_factory=asyncio.Future)

    @property
    def root(self) -> int:
        return self.process.pid


class Guard:
    """Serves until an essential daemon ends or it is told to; nothing that it started outlives it.

    `report` is called once, when the daemons run or could not be started, with the starting command's exit code.
    """

    def __init__(self, settings: Settings, report: Callable[[int], None]) -> None:
        self._settings = settings
        self._report = report
        self._trees: dict[str, _Running] = {}
        self._service = Service(settings.environment, self._trees, self._start, self._end)
        self._secret = secrets.token_hex(16)
        self._stopping = asyncio.Event()

    async def run(self) -> None:
        """Serve."""
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0, limit=2**24)
        Address(server.sockets[0].getsockname()[1], self._secret).write(self._settings.socket)
        await self._service.run(server, self._start_daemons(), self._stopping)
        with contextlib.suppress(FileNotFoundError):
            self._settings.socket.unlink()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            said = json.loads(await reader.readline())
            known = hmac.compare_digest(str(said["secret"]), self._secret)
        except (ValueError, TypeError, KeyError, ConnectionError):
            known = False
        if known and not said["end"]:
            await self._service.serve(reader, writer)
            return
        if known:
            self._stopping.set()
        writer.close()

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
        tree.grace_s = DAEMON_GRACE_S
        code, _ = await tree.ended
        known = processes.snapshot()
        found = [pid for pid in tree.job.pids() if _program(known, pid) in self._settings.essential]
        for pid in found:
            self._when_ended(pid, self._stopping.set)
        self._report(code)
        return code == 0 and bool(found)

    def _start(
        self, name: str, argv: Sequence[str], *, cwd: str, environment: Mapping[str, str], stdout: str, stderr: str
    ) -> _Running:
        job = Job()
        try:
            with open(stdout, "ab") as out, open(stderr, "ab") as err:
                process = subprocess.Popen(
                    command_line(argv),
                    cwd=cwd,
                    env=dict(environment),
                    stdin=subprocess.DEVNULL,
                    stdout=out,
                    stderr=err,
                    # Nothing of it runs before it is in its job. A group of its own can be interrupted by itself.
                    creationflags=_SUSPENDED | _NEW_GROUP,
                )
            handle: Any = process
            try:
                job.take(int(handle._handle))
            except OSError:
                process.kill()
                raise
        except OSError:
            job.close()
            raise
        tree = _Running(name, job, process)
        self._trees[name] = tree
        resume()(int(handle._handle))
        loop = asyncio.get_running_loop()

        def wait() -> None:
            code = process.wait()
            ended = (_INTERRUPTED.get(code, code), time.time())
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(tree.ended.set_result, ended)

        threading.Thread(target=wait, daemon=True).start()
        return tree

    def _when_ended(self, pid: int, then: Callable[[], None]) -> None:
        loop = asyncio.get_running_loop()

        def wait() -> None:
            processes.wait(pid)
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(then)

        threading.Thread(target=wait, daemon=True).start()

    async def _end(self, tree: _Running) -> None:
        """End a tree: Ctrl+Break, its grace, the end of its job, until nothing of it is left."""
        deadline = time.monotonic() + tree.grace_s
        told = False
        while not (tree.ended.done() and tree.job.active() == 0):
            if time.monotonic() >= deadline:
                tree.job.terminate(_KILLED)
            elif not told:
                told = True
                processes.interrupt(tree.root)
            await asyncio.sleep(_POLL_S)
        tree.job.close()
        self._trees.pop(tree.name, None)


def command_line(argv: Sequence[str]) -> str:
    """Return the line that starts a program with these arguments; what cmd shall run stays as it is.

    cmd takes off the quotes around it where it has /s, and no others.
    """
    if tuple(argv[1:4]) == ("/d", "/s", "/c"):
        return f'{subprocess.list2cmdline(argv[:4])} "{argv[4]}"'
    return subprocess.list2cmdline(argv)


def _program(known: Mapping[int, tuple[int, str]], pid: int) -> str:
    _, name = known.get(pid, (0, ""))
    return name.lower().removesuffix(".exe")
