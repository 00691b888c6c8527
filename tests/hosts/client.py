"""A user at a laptop: types `ray-nni` in a home of their own, and reads what it prints."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import textwrap
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml


class Client:
    """Runs the command line as the user whose home `home` is; `umask` -1 is the tests' own."""

    def __init__(self, home: Path, umask: int = -1) -> None:
        self.home = home
        self.umask = umask
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("RAY_", "SSH_", "NNI_"))},
            "HOME": str(home),
            "COLUMNS": "200",
        }

    def start(self, *arguments: str | Path) -> subprocess.Popen[str]:
        """Start a command and leave it running."""
        return subprocess.Popen(
            [sys.executable, "-m", "ray_remote_nni", *map(str, arguments)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=self.environment,
            cwd=self.home,
            umask=self.umask,
        )

    def run(self, *arguments: str | Path, code: int = 0, timeout_s: float = 150) -> subprocess.CompletedProcess[str]:
        """Run a command, which must end with this exit code."""
        process = self.start(*arguments)
        try:
            out, err = process.communicate(timeout=timeout_s)
        except subprocess.TimeoutExpired:
            # As Ctrl-C does: what it started must not stay.
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=60)
            raise AssertionError(f"{arguments} did not end within {timeout_s} s\n{out}\n{err}") from None
        done = subprocess.CompletedProcess(arguments, process.returncode, out, err)
        assert process.returncode == code, f"{arguments} ended with {process.returncode}\n{out}\n{err}"
        return done

    def json(self, *arguments: str | Path, code: int = 0, timeout_s: float = 150) -> Any:
        """Run a command with --json and return its document."""
        return json.loads(self.run(*arguments, "--json", code=code, timeout_s=timeout_s).stdout)

    def run_at_once(self, *configs: Path) -> list[str]:
        """Run these experiments to their ends at the same time, and return their ids."""
        running = [self.start("run", config, "--json") for config in configs]
        ended = [process.communicate(timeout=150) for process in running]
        assert [process.returncode for process in running] == [0] * len(running), ended
        return [json.loads(out)["experiment"] for out, _ in ended]

    def trials(self) -> list[dict[str, Any]]:
        """Return the trials of the latest experiment; empty where it has none yet, or there is no experiment."""
        process = self.start("trials", "--json")
        out, err = process.communicate(timeout=60)
        assert process.returncode in (0, 4), err
        return json.loads(out) if process.returncode == 0 else []

    def write_experiment(self, machines: list[dict[str, Any]], script: str, **fields: Any) -> Path:
        """Write a small experiment into a folder of its own, with `script` as its trial; return its configuration."""
        folder = Path(tempfile.mkdtemp(dir=self.home, prefix="experiment-"))
        (folder / "code").mkdir()
        (folder / "code/trial.py").write_text(textwrap.dedent(script), encoding="utf-8")
        config = {
            "searchSpace": {"x": {"_type": "uniform", "_value": [0, 1]}},
            "trialCommand": "python3 trial.py",
            "trialCodeDirectory": "code",
            # Each trial at once costs a worker of Ray's, which takes a second of a CPU to start.
            "trialConcurrency": 2,
            "maxTrialNumber": 4,
            "tuner": {"name": "TPE", "classArgs": {"optimize_mode": "maximize", "seed": 1}},
            "trainingService": {"platform": "remote", "machineList": machines},
            **fields,
        }
        path = folder / "config.yml"
        path.write_text(yaml.safe_dump(config, sort_keys=False), encoding="utf-8")
        return path


def until(condition: Callable[[], Any], timeout_s: float = 60.0, poll_s: float | None = None) -> Any:
    """Wait for a condition and return its value.

    Without `poll_s` what is waited for has the CPUs for half of the time at least.
    """
    deadline = time.monotonic() + timeout_s
    while True:
        asked = time.monotonic()
        if value := condition():
            return value
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(max(0.2, time.monotonic() - asked) if poll_s is None else poll_s)
