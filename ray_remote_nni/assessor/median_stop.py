"""Medianstop: a trial goes on while its best result is no worse than the median of the others' running averages."""

from __future__ import annotations

import math
from bisect import insort
from collections.abc import Sequence


class MedianStop:
    """The median stopping rule, with NNI's arguments and defaults.

    At its s-th result, s >= start_step, a trial is stopped if its best result so far is strictly worse than the median,
    over all trials that succeeded after s results or more, of the mean of their first s results. Of an even number of
    means the worse of the middle two is taken.
    Source: Golovin et al. 2017, Google Vizier, section 3.2.1; NNI's medianstop_assessor.
    """

    slow = False

    def __init__(self, optimize_mode: str = "maximize", start_step: int = 0) -> None:
        """Start without any trial. Raises ValueError."""
        if optimize_mode not in ("maximize", "minimize"):
            raise ValueError(f"optimize_mode is {optimize_mode!r}; it can be 'maximize' or 'minimize'")
        self._sign = 1.0 if optimize_mode == "maximize" else -1.0
        self._start_step = start_step
        # For each number of results the means of the trials that got that far, in order; larger is better.
        self._means: list[list[float]] = []
        # For each running trial how many results were looked at, and the best of them.
        self._best: dict[str, tuple[int, float]] = {}

    def assess(self, trial_id: str, history: Sequence[float]) -> bool:
        """Tell whether to go on with a trial; see Assessor."""
        step = len(history)
        best = self._best_of(trial_id, history)
        if step < self._start_step or step > len(self._means):
            return True
        means = self._means[step - 1]
        return not best < means[(len(means) - 1) // 2]

    def end(self, trial_id: str, history: Sequence[float], *, succeeded: bool) -> None:
        """Take note of a trial's end; see Assessor."""
        self._best.pop(trial_id, None)
        if not succeeded:
            return
        total = 0.0
        for number, value in enumerate(history):
            total += self._sign * value
            if math.isnan(total):
                # A mean of nothing: such a trial is no measure for others.
                return
            if number == len(self._means):
                self._means.append([])
            insort(self._means[number], total / (number + 1))

    def _best_of(self, trial_id: str, history: Sequence[float]) -> float:
        seen, best = self._best.get(trial_id, (0, -math.inf))
        if seen > len(history):
            seen, best = 0, -math.inf  # it runs again
        for value in history[seen:]:
            # A NaN is no result, and so never the best.
            if self._sign * value > best:
                best = self._sign * value
        self._best[trial_id] = (len(history), best)
        return best
