"""A guard run for real, with daemons that only sleep."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType

import ray_remote_nni
from ray_remote_nni.guard.client import GuardedProcess
from ray_remote_nni.guard.processes import is_same_process

LIBRARY = Path(ray_remote_nni.__file__).parents[1]
START = "import sys; sys.path.insert(0, sys.argv[1]); from ray_remote_nni.guard.start import main; main()"


class RunningGuard:
    def __init__(self, directory: Path, environment: Mapping[str, str]) -> None:
        self.directory = directory
        self.socket = directory / "s"
        settings = {
            "directory": str(directory),
            "socket": str(self.socket),
            "daemon_argv": ["sh", "-c", "sleep 600 & setsid sleep 601 & sleep 0.2; exit 0"],
            "daemon_environment": {},
            "essential": ["sleep"],
        }
        done = subprocess.run(
            [sys.executable, "-S", "-E", "-c", START, str(LIBRARY)],
            input=json.dumps(settings),
            text=True,
            capture_output=True,
            check=True,
            env={**os.environ, "GREETING": "hello", **environment},
            timeout=30,
        )
        identity, ready = map(json.loads, done.stdout.splitlines())
        self.nanny, self.start_ticks = identity["pid"], identity["start_ticks"]
        assert ready == {"daemons": 0}
        until(self.socket.exists)

    def guard_pid(self) -> int:
        return int(subprocess.run(["pgrep", "-P", str(self.nanny)], capture_output=True, text=True).stdout.split()[0])

    def alive(self) -> bool:
        return is_same_process(self.nanny, self.start_ticks)

    def run(self, script: str, timeout_s: float | None = None, name: str = "t1") -> GuardedProcess:
        process = GuardedProcess(self.socket)
        process.start(
            name,
            ["bash", "--norc", "-c", script],
            cwd=self.directory,
            environment=process.environment,
            stdout=self.directory / f"{name}.out",
            stderr=self.directory / f"{name}.err",
            timeout_s=timeout_s,
        )
        return process


@contextmanager
def running_guard(directory: Path, environment: Mapping[str, str] = MappingProxyType({})) -> Iterator[RunningGuard]:
    """Run a guard for a while, on a machine that has these variables and a GREETING."""
    running = RunningGuard(directory, environment)
    yield running
    if running.alive():
        os.kill(running.nanny, signal.SIGTERM)
    until(lambda: not running.alive())


def until(condition: Callable[[], object], timeout_s: float = 10.0) -> None:
    """Wait for something that happens soon; fail where it does not."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.01)


def sleeping(mark: str) -> list[int]:
    """Return the PIDs of all `sleep MARK`s."""
    found = subprocess.run(["pgrep", "-f", f"^sleep {mark}$"], capture_output=True, text=True).stdout
    return [int(pid) for pid in found.split()]
