"""Successive halving: a bracket's rungs, and who goes on from each.

A bracket starts many configurations with a small budget. When all of a rung have ended, the best of them run again
with `eta` times the budget, in the next rung.
Source: Li et al. 2016, arXiv 1603.06560; numbers as in NNI 3.0, nni/algorithms/hpo/hyperband_advisor.py.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from ray_remote_nni.tuner.space import Numbers

# Floating point must not make 2.9999999 of 3.
_EPSILON = 1e-6


@dataclass(frozen=True)
class Rung:
    """How many configurations run, and with which budget each."""

    size: int
    budget: int


def plan_brackets(least_budget: float, most_budget: float, eta: int) -> list[tuple[Rung, ...]]:
    """Return the rungs of each bracket, in the order in which they start: the one with the most rungs first."""
    most_halvings = math.floor(math.log(most_budget / least_budget, eta) + _EPSILON)
    plans = []
    for halvings in range(most_halvings, -1, -1):
        size = math.ceil((most_halvings + 1) * eta**halvings / (halvings + 1) - _EPSILON)
        budget = most_budget / eta**halvings
        plans.append(
            tuple(
                Rung(math.floor(size / eta**rung + _EPSILON), math.floor(budget * eta**rung + _EPSILON))
                for rung in range(halvings + 1)
            )
        )
    return plans


@dataclass(frozen=True, eq=False)
class Run:
    """A trial: a configuration with a budget, on a rung of a bracket; None for one that came from elsewhere."""

    numbers: Numbers
    budget: float
    bracket: Bracket | None = None
    rung: int = 0


class Bracket:
    """One bracket under way."""

    def __init__(self, rungs: Sequence[Rung]) -> None:
        """Start with nothing in it."""
        self._rungs = rungs
        #: Whether nobody can enter its first rung any more.
        self.filled = False
        #: Whether who runs on the last rung is known.
        self.decided = len(rungs) == 1
        #: Whether all of it has ended.
        self.ended = False
        self._entered = 0
        self._running = 0
        self._results: list[tuple[float, Run]] = []

    @property
    def budget(self) -> int:
        """The budget of the first rung."""
        return self._rungs[0].budget

    def enter(self, numbers: Numbers) -> Run:
        """Let a configuration run on the first rung."""
        assert not self.filled
        self._entered += 1
        self._running += 1
        self.filled = self._entered == self._rungs[0].size
        return Run(numbers, self.budget, self)

    def fill(self) -> list[Run]:
        """Go on with those that have entered; return who runs on the next rung, if that is known by now."""
        self.filled = True
        return self._promote_if_all_ended()

    def end(self, run: Run, loss: float | None) -> list[Run]:
        """Take a run's loss, None for a failure; return who runs on the next rung, the best first, if all have ended.

        Who failed does not go on, so a rung may have fewer runs than planned, or none: then the bracket has ended.
        """
        self._running -= 1
        if loss is not None:
            self._results.append((loss, run))
        return self._promote_if_all_ended(run.rung)

    def _promote_if_all_ended(self, rung: int = 0) -> list[Run]:
        if self._running or not self.filled:
            return []
        results, self._results = sorted(self._results, key=lambda result: result[0]), []
        following = rung + 1
        if following == len(self._rungs) or not results:
            self.decided = self.ended = True
            return []
        self.decided = following == len(self._rungs) - 1
        # Of a first rung that could not be filled, as large a part goes on.
        share = self._entered / self._rungs[0].size
        size = max(1, math.floor(self._rungs[following].size * share + _EPSILON))
        runs = [Run(run.numbers, self._rungs[following].budget, self, following) for _, run in results[:size]]
        self._running = len(runs)
        return runs
