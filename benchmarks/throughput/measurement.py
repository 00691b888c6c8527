"""One run of the trials, and what several runs of the same say together."""

from __future__ import annotations

import os
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.throughput.trials import Window


@dataclass(frozen=True)
class Measurement:
    """One run: the trials' window, the wall time of the command, and the system's load (1 min) before it."""

    window: Window
    wall_s: float
    load: float


def load() -> float:
    """Return the load average of the last minute."""
    return os.getloadavg()[0]


def best_ms(runs: Sequence[Measurement]) -> float:
    """Milliseconds a trial in the run that was disturbed least."""
    return min(run.window.trial_ms for run in runs)


def median_ms(runs: Sequence[Measurement]) -> float:
    """Milliseconds a trial in the middle run."""
    return statistics.median(run.window.trial_ms for run in runs)
