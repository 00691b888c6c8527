"""What a model is fitted to: the results so far, few enough of them, and the trials that still run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ray_remote_nni.tuner.models.cube import Cube, Floats
from ray_remote_nni.tuner.space import Numbers


@dataclass(frozen=True)
class Evidence:
    """What a model is fitted to: `points` of ended trials, a row each, their `losses`, and points of `running` ones."""

    points: Floats
    losses: Floats
    running: Floats

    def best(self, count: int) -> Floats:
        """Return the points of so many of the best trials, the best one first."""
        return self.points[np.argsort(self.losses, kind="stable")[:count]]


class Results:
    """Configurations and how they ended."""

    def __init__(self) -> None:
        """Start without trials."""
        self._numbers: list[Numbers] = []
        self._running: set[int] = set()
        self._ended: list[int] = []
        self._losses: list[float] = []  # of the ended ones; infinity where there is no value

    def add(self, numbers: Numbers) -> int:
        """Add a running trial and return its place."""
        self._numbers.append(numbers)
        self._running.add(len(self._numbers) - 1)
        return len(self._numbers) - 1

    def end(self, place: int, loss: float | None) -> None:
        """End a trial with its loss, or with None where it has no usable value."""
        self._running.discard(place)
        self._ended.append(place)
        self._losses.append(np.inf if loss is None else loss)

    @property
    def valued(self) -> int:
        """How many trials ended with a finite loss."""
        return int(np.isfinite(self._losses).sum())

    @property
    def running(self) -> list[Numbers]:
        """The configurations of the running trials, in the order in which they were asked for."""
        return [self._numbers[place] for place in sorted(self._running)]

    def evidence(self, cube: Cube, most: int) -> Evidence:
        """Return what a model of at most so many ended trials is fitted to; see `chosen`."""
        numbers, losses = self.chosen(most)
        return Evidence(cube.points(numbers), losses, cube.points(self.running))

    def chosen(self, most: int) -> tuple[list[Numbers], Floats]:
        """Return at most so many ended trials and their losses: half of them the best ones, the others the latest.

        One without a finite loss counts like the worst that has one, and losses that lie far above the others (by
        more than one and a half times the distance of their quartiles: Tukey's fence) like the fence itself, so that
        a model need not explain how bad the bad ones are. At least one loss must be finite.
        """
        losses = np.array(self._losses)
        finite = losses[np.isfinite(losses)]
        lower, upper = np.quantile(finite, [0.25, 0.75])
        fence = upper + 1.5 * (upper - lower)
        ceiling = min(float(finite.max()), float(fence)) if fence > lower else float(finite.max())
        places = _half_best_half_latest(losses, most)
        return [self._numbers[self._ended[place]] for place in places], np.minimum(losses[places], ceiling)


def _half_best_half_latest(losses: Floats, most: int) -> Sequence[int]:
    if len(losses) <= most:
        return range(len(losses))
    best = set(np.argsort(losses, kind="stable")[: most // 2].tolist())
    others = [place for place in range(len(losses)) if place not in best]
    return sorted(best | set(others[len(best) - most :]))
