"""`start`: puts a guard into the background, under a nanny that ends everything should the guard itself be killed.

Read from standard input: a JSON object with the fields of `Settings`, of `daemon_environment` what `changed` takes.
Printed: a line of JSON with the nanny's PID and start time (also in `guard.json` in the guard's folder) as soon as it
runs, and a second one, `{"daemons": CODE}`, when the daemons' starting command has ended with that exit code; or one
alone, `{"error": WHY}`. Where a file `farewell.json` with a list of folders lies in the guard's folder at the end,
these are removed last.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import json
import os
import shutil
import signal
import sys
from pathlib import Path
from typing import Any

from ray_remote_nni.guard.processes import read_process
from ray_remote_nni.guard.server import Guard, end_children
from ray_remote_nni.guard.settings import Settings

IDENTITY_FILE = "guard.json"
FAREWELL_FILE = "farewell.json"
_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36


def main() -> None:
    """Read the settings, go into the background, report, serve."""
    settings = Settings.from_json(json.load(sys.stdin), dict(os.environ))
    settings.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    settings.socket.unlink(missing_ok=True)
    reading, writing = os.pipe()
    if os.fork():
        os.close(writing)
        with os.fdopen(reading) as pipe:
            for line in pipe:
                sys.stdout.write(line)
                sys.stdout.flush()
        return
    os.close(reading)
    os.setsid()
    _detach_output(settings.directory / "guard.log")
    _become_subreaper()
    identity = _introduce(settings.directory, writing)
    guard = os.fork()
    if guard == 0:
        # Without its nanny a guard has nobody to clean up after it, so it ends, and cleans up, first.
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
        _become_subreaper()

        def report(code: int) -> None:
            _report(writing, {"daemons": code})
            os.close(writing)

        asyncio.run(Guard(settings, report).run())
        os._exit(0)
    _report(writing, identity)
    os.close(writing)
    _watch(guard)
    take_leave(settings.directory)
    os._exit(0)


def _introduce(directory: Path, writing: int) -> dict[str, int]:
    """Leave word of who must be told to end, for whoever comes later; say why, and end, where that cannot be written.

    The log cannot be written then, either.
    """
    nanny = read_process(os.getpid())
    assert nanny is not None
    try:
        return write_identity(directory, nanny.pid, nanny.start_ticks)
    except OSError as error:
        _report(writing, {"error": f"{directory} cannot be written to ({error.strerror})"})
        os._exit(1)


def write_identity(directory: Path, pid: int, start_ticks: int) -> dict[str, int]:
    """Leave word of the process that must be told to end, whole or not at all; return what was written."""
    identity = {"pid": pid, "start_ticks": start_ticks}
    part = directory / f"{IDENTITY_FILE}.part"
    part.write_text(json.dumps(identity))
    part.replace(directory / IDENTITY_FILE)
    return identity


def _report(pipe: int, message: dict[str, Any]) -> None:
    # Whoever started us may be gone: that is no reason to end.
    with contextlib.suppress(BrokenPipeError):
        os.write(pipe, json.dumps(message).encode() + b"\n")


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


def take_leave(directory: Path) -> None:
    """Remove the folders that nobody will come for."""
    with contextlib.suppress(OSError, ValueError):
        for folder in json.loads((directory / FAREWELL_FILE).read_text()):
            shutil.rmtree(folder, ignore_errors=True)
        directory.parent.rmdir()


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
