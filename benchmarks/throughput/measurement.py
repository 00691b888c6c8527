"""What was measured, as plain values, and what several runs of the same say together."""

from __future__ import annotations

import os
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from benchmarks.throughput.trials import Window


@dataclass(frozen=True)
class Measurement:
    """One run: the trials' window, the wall time of the command, and the system's load (1 min) before it."""

    window: Window
    wall_s: float
    load: float


@dataclass(frozen=True)
class Turns:
    """Runs of one kind, with bare processes before and after each: `bare` has one run more than `runs`."""

    name: str
    runs: Sequence[Measurement]
    bare: Sequence[Measurement]

    @property
    def ratios(self) -> list[float]:
        """Return, for each run, its time beside the mean of the bare ones before and after it.

        What else the machine does in the meantime meets all three, more or less.
        """
        around = zip(self.bare, self.bare[1:], strict=False)
        return [
            2 * run.window.trial_ms / (before.window.trial_ms + after.window.trial_ms)
            for run, (before, after) in zip(self.runs, around, strict=True)
        ]


@dataclass(frozen=True)
class Session:
    """One life of a cluster: `up`, some runs in turn with bare processes here, `down`."""

    up_s: float
    down_s: float
    load: float
    turns: Turns


@dataclass(frozen=True)
class RayStart:
    """`ray start --head` on the first machine, then `ray start --address` on the second: their seconds."""

    head_s: float
    worker_s: float
    load: float

    @property
    def seconds(self) -> float:
        """Return what both took."""
        return self.head_s + self.worker_s


@dataclass(frozen=True)
class HostsReport:
    """What was measured on `machines` new machines, in this order: ray start, cold, ray start, warm."""

    machines: int
    ray_starts: Sequence[RayStart]
    cold: Session
    warm: Session


def take_turns(name: str, run: Callable[[], Measurement], bare: Callable[[], Measurement], repeats: int) -> Turns:
    """Run a kind of run so many times, with bare processes before, between and after; none of either for 0."""
    runs: list[Measurement] = []
    around = [bare()] if repeats else []
    for _ in range(repeats):
        runs.append(run())
        around.append(bare())
    return Turns(name, runs, around)


def load() -> float:
    """Return the load average of the last minute."""
    return os.getloadavg()[0]


def best_ms(runs: Sequence[Measurement]) -> float:
    """Milliseconds a trial in the run that was disturbed least."""
    return min(run.window.trial_ms for run in runs)


def median_ms(runs: Sequence[Measurement]) -> float:
    """Milliseconds a trial in the middle run."""
    return statistics.median(run.window.trial_ms for run in runs)
