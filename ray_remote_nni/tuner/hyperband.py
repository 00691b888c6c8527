"""NNI's Hyperband: brackets of successive halving, one after another or side by side, without an end.

A trial's budget is in its parameters, as `TRIAL_BUDGET`; what it means is the trial's affair.
Source: Li et al. 2016, arXiv 1603.06560; NNI 3.0, nni/algorithms/hpo/hyperband_advisor.py. Other than in NNI, the
configurations of a bracket are thought of one by one, as trials are asked for, and failed trials do not go on.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal, Protocol

import numpy as np

from ray_remote_nni.errors import UsageError
from ray_remote_nni.tuner.arguments import integer, read_arguments, words
from ray_remote_nni.tuner.brackets import Bracket, Run, Rung, plan_brackets
from ray_remote_nni.tuner.contract import NoMoreTrials, NotYet
from ray_remote_nni.tuner.duplicates import key
from ray_remote_nni.tuner.picker import Picker
from ray_remote_nni.tuner.random_search import RandomSearch
from ray_remote_nni.tuner.space import Numbers, OutsideSpace, SearchSpace
from ray_remote_nni.tuner.strategy import StrategyTuner

#: The parameter that holds a trial's budget; scripts written for NNI read it.
BUDGET = "TRIAL_BUDGET"

#: What a bracket has to be before the next one starts.
Starts = Literal["filled", "decided", "ended"]


class Sampler(Protocol):
    """Thinks of configurations, and learns."""

    def proposals(self, rng: np.random.Generator) -> Iterator[Numbers]:
        """Yield configurations without an end, the preferred one first."""
        ...

    def learn(self, numbers: Numbers, budget: float, loss: float | None) -> None:
        """Take the end of a trial with a budget; None for a failure."""
        ...


class Hyperband:
    """A Strategy whose trials have budgets.

    A configuration may run with several budgets. With `avoid_duplicates` none is drawn for a bracket that ran with
    that bracket's first budget before.
    """

    def __init__(
        self,
        space: SearchSpace,
        sampler: Sampler,
        plans: Sequence[Sequence[Rung]],
        starts: Starts,
        avoid_duplicates: bool,
    ) -> None:
        """Start before the first bracket. Raises UsageError where the space has a TRIAL_BUDGET of its own."""
        if any(parameter.name == BUDGET for parameter in space.roots):
            raise UsageError(f"search space, {BUDGET}: the tuner's own parameter has this name. Use another.")
        self._space = space
        self._sampler = sampler
        self._plans = plans
        self._starts: Starts = starts
        self._pickers: dict[float, Picker] = {
            rung.budget: Picker(space, avoid_duplicates) for plan in plans for rung in plan
        }
        self._next_plan = 0
        self._bracket: Bracket | None = None
        self._promoted: deque[Run] = deque()
        self._running = 0

    def suggest(self, rng: np.random.Generator) -> tuple[dict[str, Any], Run]:
        """Return a new configuration, or one that goes on; see Strategy. Raises NotYet where a rung has to end first.

        As in NNI, a bracket is filled before others go on.
        """
        bracket = self._enterable()
        if bracket is not None:
            parameters, numbers = self._pickers[bracket.budget].pick(self._sampler.proposals(rng), rng)
            run = self._enter(bracket, numbers)
        elif self._promoted:
            run = self._go_on(self._promoted[0])
            parameters = self._space.decode(run.numbers)
        elif self._running:
            raise NotYet("who goes on is known when more of the running trials have ended")
        else:
            raise NoMoreTrials("every configuration of the search space ran with every budget")
        return {**parameters, BUDGET: run.budget}, run

    def recognise(self, parameters: dict[str, Any], rng: np.random.Generator) -> Run | None:
        """Return the run that `suggest` meant by the parameters, or one outside of all brackets; see Strategy."""
        configuration = {name: value for name, value in parameters.items() if name != BUDGET}
        # Without a budget it is thought to be one that had all.
        budget = parameters.get(BUDGET, max(self._pickers))
        if not isinstance(budget, (int, float)):
            return None
        try:
            numbers = self._space.encode(configuration)
        except OutsideSpace:
            return None
        bracket = self._enterable()
        if bracket is not None and bracket.budget == budget:
            return self._enter(bracket, numbers)
        for run in self._promoted:
            if run.budget == budget and key(run.numbers) == key(numbers):
                return self._go_on(run)
        return self._start(Run(numbers, budget))

    def learn(self, trial: Run, loss: float | None) -> None:
        """Take the end of a trial; see Strategy."""
        self._running -= 1
        self._sampler.learn(trial.numbers, trial.budget, loss)
        if trial.bracket is not None:
            self._promoted += trial.bracket.end(trial, loss)

    def _enterable(self) -> Bracket | None:
        """Return the bracket that a new configuration enters now, which may be one that is not under way yet."""
        if self._bracket is not None and not self._bracket.filled:
            return self._bracket
        may_start = self._bracket is None or getattr(self._bracket, self._starts)
        if self._promoted or not may_start:
            return None
        for plan in self._coming():
            if not self._pickers[plan[0].budget].exhausted:
                return Bracket(plan)
        return None

    def _coming(self) -> Iterator[Sequence[Rung]]:
        """Yield all plans, the one whose turn it is first."""
        yield from (*self._plans[self._next_plan :], *self._plans[: self._next_plan])

    def _enter(self, bracket: Bracket, numbers: Numbers) -> Run:
        if bracket is not self._bracket:
            self._bracket = bracket
            budgets = [plan[0].budget for plan in self._plans]
            self._next_plan = (budgets.index(bracket.budget) + 1) % len(budgets)
        return self._start(bracket.enter(numbers))

    def _go_on(self, run: Run) -> Run:
        self._promoted.remove(run)
        return self._start(run)

    def _start(self, run: Run) -> Run:
        self._running += 1
        if run.budget in self._pickers:
            self._pickers[run.budget].add(run.numbers)
        bracket = self._bracket
        # At once, and not when somebody asks: a replay has to do it at the same moment.
        if bracket is not None and not bracket.filled and self._pickers[bracket.budget].exhausted:
            self._promoted += bracket.fill()
        return run


class _Draws:
    """A Sampler that learns nothing."""

    def __init__(self, space: SearchSpace) -> None:
        self.proposals = RandomSearch(space).proposals

    def learn(self, numbers: Numbers, budget: float, loss: float | None) -> None:
        """Do nothing."""


def create_hyperband(
    space: SearchSpace, class_args: Mapping[str, Any], seed: int | None, avoid_duplicates: bool
) -> StrategyTuner[Run]:
    """Make NNI's Hyperband: the largest budget is `R`. Raises UsageError."""
    own = {
        "R": (integer(1), 60),
        "eta": (integer(2), 3),
        "exec_mode": (words("parallelism", "serial"), "parallelism"),
    }
    arguments = read_arguments("Hyperband", class_args, seed, own=own)
    plans = plan_brackets(1, arguments["R"], arguments["eta"])
    starts: Starts = "filled" if arguments["exec_mode"] == "parallelism" else "decided"
    strategy = Hyperband(space, _Draws(space), plans, starts, avoid_duplicates)
    return StrategyTuner(strategy, arguments.seed, arguments.maximize)
