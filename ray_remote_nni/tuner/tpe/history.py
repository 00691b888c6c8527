"""What the tuner knows of all trials, in the order in which they were asked for."""

from __future__ import annotations

import bisect
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.int64]
Floats = NDArray[np.float64]

_RUNNING, _ENDED = 0, 1


@dataclass(frozen=True)
class Split:
    """Rows of the history: the good trials, best first, and the bad ones, oldest first."""

    good: Rows
    bad: Rows


@dataclass(frozen=True)
class Evidence:
    """Rows of trials that have ended, good ones first, their losses, and rows of running trials."""

    ended: Rows
    losses: Floats
    running: Rows


class History:
    """Numbers and losses of the trials, one row each; rows grow in the order of asking.

    A trial without a value (it failed, or its value is no number) stays as a bad one without a loss.
    """

    def __init__(self, width: int, best_kept: int) -> None:
        """Make an empty history of `width` parameters that ranks the `best_kept` best trials."""
        self._numbers: Floats = np.empty((64, width))
        self._losses: Floats = np.empty(64)
        self._states: NDArray[np.int8] = np.empty(64, np.int8)
        self._best: list[tuple[float, int]] = []
        self._best_kept = best_kept
        self.length = 0
        self.valued = 0  # how many trials have a value
        self._sum = 0.0  # of the finite losses
        self._finite = 0
        self._worst = -math.inf

    @property
    def numbers(self) -> Floats:
        """The numbers of all trials, a row each; NaN where a parameter is inactive."""
        return self._numbers[: self.length]

    def add(self, numbers: Sequence[float]) -> int:
        """Add a running trial and return its row."""
        row = self.length
        if row == len(self._losses):
            self._numbers = np.concatenate([self._numbers, np.empty_like(self._numbers)])
            self._losses = np.concatenate([self._losses, np.empty_like(self._losses)])
            self._states = np.concatenate([self._states, np.empty_like(self._states)])
        self._numbers[row] = numbers
        self._losses[row] = math.inf
        self._states[row] = _RUNNING
        self.length += 1
        return row

    def end(self, row: int, loss: float | None) -> None:
        """End a trial with its loss, or with None where it has no usable value."""
        self._states[row] = _ENDED
        if loss is None:
            return
        self._losses[row] = loss
        self.valued += 1
        if loss < math.inf:
            self._sum += loss
            self._finite += 1
            self._worst = max(self._worst, loss)
            bisect.insort(self._best, (loss, row))
            del self._best[self._best_kept :]

    def split(self, n_good: int, n_bad: int) -> Split:
        """Return the `n_good` best trials, and the `n_bad` latest of the others, running ones too."""
        good = np.array([row for _, row in self._best[:n_good]], np.int64)
        first = max(0, self.length - n_bad - len(good))
        others = np.ones(self.length - first, bool)
        others[good[good >= first] - first] = False
        return Split(good, first + np.flatnonzero(others)[-n_bad:])

    def evidence(self, split: Split, most_ended: int, most_running: int) -> Evidence:
        """Return the good trials and the latest others of a split; a trial without a value has an infinite loss."""
        running = self._states[split.bad] == _RUNNING
        good, others = split.good[:most_ended], split.bad[~running]
        ended = np.concatenate([good, others[max(0, len(others) + len(good) - most_ended) :]])
        return Evidence(ended, self._losses[ended], split.bad[running][-most_running:])

    def split_with_lies(self, n_good: int, n_bad: int, lie: float | None) -> Split:
        """The same with running trials taken for finished ones of loss `lie`, or left out where it is None."""
        states, losses = self._states[: self.length], self._losses[: self.length]
        rows = np.arange(self.length)
        if lie is None:
            rows = rows[states == _ENDED]
            losses = losses[rows]
        else:
            losses = np.where(states == _RUNNING, lie, losses)
        order = np.argsort(losses, kind="stable")
        finite = int(np.count_nonzero(losses < math.inf))
        good, rest = order[: min(n_good, finite)], order[min(n_good, finite) :]
        return Split(rows[good], rows[np.sort(rest)][-n_bad:])

    @property
    def running(self) -> int:
        """How many trials have not ended."""
        return int(np.count_nonzero(self._states[: self.length] == _RUNNING))

    @property
    def best_loss(self) -> float:
        """The smallest loss; infinity without one."""
        return self._best[0][0] if self._best else math.inf

    @property
    def worst_loss(self) -> float:
        """The largest finite loss; infinity without one."""
        return self._worst if self._finite else math.inf

    @property
    def mean_loss(self) -> float:
        """The mean of the finite losses; infinity without one."""
        return self._sum / self._finite if self._finite else math.inf
