"""`start`: puts a guard into the background, under a nanny that ends everything should the guard itself be killed.

Read from standard input: a JSON object with the fields of `Settings`. Printed, when both run: the nanny's PID and start
time, which are also in `guard.json` in the guard's folder.
"""

from __future__ import annotations

import asyncio
import ctypes
import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

from ray_remote_nni.guard.processes import read_process
from ray_remote_nni.guard.server import Guard, Settings, end_children

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36


def main() -> None:
    """Read the settings, go into the background, report, serve."""
    asked: dict[str, Any] = json.load(sys.stdin)
    environment = dict(os.environ)
    directory = Path(asked["directory"])
    settings = Settings(
        directory=directory,
        socket=Path(asked["socket"]),
        main_argv=asked["main_argv"],
        main_environment={**environment, **asked["main_environment"]},
        environment={**environment, **asked.get("environment", {})},
    )
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    settings.socket.unlink(missing_ok=True)
    reading, writing = os.pipe()
    if os.fork():
        os.close(writing)
        with os.fdopen(reading) as pipe:
            report = pipe.read()
        sys.stdout.write(report)
        sys.exit(0 if report else 1)
    os.close(reading)
    os.setsid()
    _detach_output(directory / "guard.log")
    _become_subreaper()
    guard = os.fork()
    if guard == 0:
        os.close(writing)
        # Without its nanny a guard has nobody to clean up after it, so it ends, and cleans up, first.
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
        _become_subreaper()
        os._exit(asyncio.run(Guard(settings).run()))
    nanny = read_process(os.getpid())
    assert nanny is not None
    report = json.dumps({"pid": nanny.pid, "start_ticks": nanny.start_ticks})
    part = directory / "guard.json.part"
    part.write_text(report)
    part.replace(directory / "guard.json")
    os.write(writing, report.encode() + b"\n")
    os.close(writing)
    _watch(guard)


def _watch(guard: int) -> None:
    """The nanny: wait for the guard's end, then end what it left behind."""
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: os.kill(guard, signal.SIGTERM))
    while True:
        try:
            pid, _ = os.waitpid(-1, 0)
        except ChildProcessError:
            break
        if pid == guard:
            for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
                signal.signal(number, signal.SIG_IGN)
            asyncio.run(_end_rest())
            break
    os._exit(0)


async def _end_rest() -> None:
    await end_children(os.getpid())


def _become_subreaper() -> None:
    """Make orphans below this process its children, and not the machine's init's: so none gets out of sight."""
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def _detach_output(log: Path) -> None:
    nothing = os.open(os.devnull, os.O_RDONLY)
    output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    for source, target in ((nothing, 0), (output, 1), (output, 2)):
        os.dup2(source, target)
    os.close(nothing)
    os.close(output)


if __name__ == "__main__":
    main()
