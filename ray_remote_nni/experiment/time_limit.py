"""maxExperimentDuration: for how long an experiment may go on starting trials."""

from __future__ import annotations

import time
from collections.abc import Sequence

from ray_remote_nni.records.model import TrialRecord


class TimeLimit:
    """A clock that does not run while the experiment is interrupted; limits are seconds, None without one."""

    def __init__(self, limit_s: float | None, trials: Sequence[TrialRecord]) -> None:
        """Set the clock to what the trials so far have taken."""
        self.limit_s = limit_s
        self._worked_s = worked_s(trials)
        self.start()

    def start(self) -> None:
        """Count from now on: making ready for the first trial takes nothing of the experiment's time."""
        self._began = time.monotonic() - self._worked_s

    @property
    def reached(self) -> bool:
        """Whether the time is up."""
        return self.limit_s is not None and time.monotonic() - self._began >= self.limit_s


def worked_s(trials: Sequence[TrialRecord]) -> float:
    """Return for how many seconds an experiment has worked so far: the time covered by its trials."""
    spans = sorted((trial.create_time, trial.end_time) for trial in trials if trial.end_time is not None)
    worked, until = 0.0, 0.0
    for start, end in spans:
        worked += max(0.0, end - max(start, until))
        until = max(until, end)
    return worked
