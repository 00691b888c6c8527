"""`ray-nni` as a user types it, timed."""

from __future__ import annotations

import contextlib
import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.throughput.measurement import Measurement, load
from benchmarks.throughput.trials import read_window, user_environment

_TIMEOUT_S = 300.0


class CommandFailed(Exception):
    """A command ended with another exit code than 0."""


@dataclass(frozen=True)
class Command:
    """Runs `ray-nni` in the home of a user of its own, so that nobody else's cluster is met."""

    home: Path

    def run(self, *arguments: str | Path) -> tuple[str, float]:
        """Run to the end; return standard output and the seconds that it took. Raises CommandFailed."""
        began = time.monotonic()
        process = subprocess.Popen(
            [sys.executable, "-m", "ray_remote_nni", *map(str, arguments)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=self.home,
            env=user_environment(self.home),
        )
        try:
            out, err = process.communicate(timeout=_TIMEOUT_S)
        except BaseException:
            # As Ctrl-C does: it takes what it started down.
            process.send_signal(signal.SIGINT)
            process.communicate(timeout=60)
            raise
        if process.returncode != 0:
            raise CommandFailed(f"ray-nni {' '.join(map(str, arguments))}: exit code {process.returncode}\n{err}")
        return out, time.monotonic() - began

    def measure(self, *arguments: str | Path) -> Measurement:
        """Run an experiment and read its trials' own time stamps from what they printed."""
        before = load()
        out, wall_s = self.run("run", *arguments, "--json")
        result: dict[str, Any] = json.loads(out)
        printed = (self.home / "nni-experiments" / result["experiment"] / "trials").glob("*/stdout")
        return Measurement(
            read_window([file.read_text() for file in printed], sum(result["trials"].values())), wall_s, before
        )

    @contextlib.contextmanager
    def cluster(self, config: Path) -> Iterator[tuple[float, list[float]]]:
        """Bring a cluster up and, at the end, take it down.

        Yields the seconds of `up`, and a list that has those of `down` afterwards.
        """
        down: list[float] = []
        _, up = self.run("up", config)
        try:
            yield up, down
        finally:
            down.append(self.run("down", config)[1])
