"""NNI's GridSearch: all combinations, on a grid that becomes finer each time it was gone through.

Of choices and integers the grid has every value from the start. Other parameters are divided by probability: first
their median, then the two quarters, then the four eighths, for as long as that gives new values.
Source: NNI 3.0, nni/algorithms/hpo/gridsearch_tuner.py.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from ray_remote_nni.tuner.contract import NoMoreTrials
from ray_remote_nni.tuner.duplicates import Asked
from ray_remote_nni.tuner.space import Choice, Domain, Integer, Normal, Numbers, Parameter, SearchSpace
from ray_remote_nni.tuner.space.quantile import quantile


class Grid:
    """A Strategy that learns nothing and never repeats itself."""

    def __init__(self, space: SearchSpace) -> None:
        """Start at the coarsest grid."""
        self._space = space
        self._axes = [_Axis(parameter.domain) for parameter in space.parameters]
        self._asked = Asked(space)
        self._points = self._walk()

    def suggest(self, rng: np.random.Generator) -> tuple[dict[str, Any], Numbers]:
        """Return the next point of the grid; see Strategy."""
        for numbers in self._points:
            parameters, settled = self._space.settle(numbers)
            if settled not in self._asked:
                self._asked.add(settled)
                return parameters, settled
        raise NoMoreTrials("every configuration of the search space was asked for")

    def recognise(self, parameters: dict[str, Any], rng: np.random.Generator) -> Numbers | None:
        """Return the point of an earlier trial; see Strategy."""
        return self._asked.recognise(parameters)

    def learn(self, trial: Numbers, loss: float | None) -> None:
        """Do nothing."""

    def _walk(self) -> Iterator[Numbers]:
        numbers = [math.nan] * len(self._axes)
        while True:
            for _ in self._combinations(self._space.roots, numbers):
                yield numbers
            # All of them, not only the first that has something new.
            if not any([axis.refine() for axis in self._axes]):
                return

    def _combinations(self, parameters: Sequence[Parameter], numbers: Numbers) -> Iterator[None]:
        """Put each combination of these parameters, and of what hangs on them, into `numbers`."""
        if not parameters:
            yield
            return
        first, rest = parameters[0], parameters[1:]
        for value in self._axes[first.index]:
            numbers[first.index] = value
            for _ in self._combinations(first.branches[int(value)] if first.branches else (), numbers):
                yield from self._combinations(rest, numbers)


class _Axis:
    """The values of one parameter on the grid."""

    def __init__(self, domain: Domain) -> None:
        self._domain = domain
        self._whole = isinstance(domain, (Choice, Integer))
        self._values: list[float] = []
        self._known: set[float] = set()
        self._intervals = [(0.0, 1.0)]
        if not self._whole:
            self.refine()

    def __iter__(self) -> Iterator[float]:
        if self._whole:
            return (self._domain.level(index) for index in range(self._domain.size or 0))
        return iter(self._values)

    def refine(self) -> bool:
        """Halve the intervals, and tell whether that gave values or leaves something to halve."""
        if self._whole:
            return False
        intervals, before = [], len(self._values)
        for low, high in self._intervals:
            middle = (low + high) / 2
            if not low < middle < high:
                continue
            below, value, above = self._value(low), self._value(middle), self._value(high)
            if value not in self._known:
                self._known.add(value)
                self._values.append(value)
            intervals += [(low, middle)] if below < value else []
            intervals += [(middle, high)] if value < above else []
        self._intervals = intervals
        return len(self._values) > before or bool(intervals)

    def _value(self, fraction: float) -> float:
        if isinstance(self._domain, Normal) and fraction in (0.0, 1.0):
            return -math.inf if fraction == 0.0 else math.inf
        return self._domain.number(self._domain.value(quantile(self._domain, fraction)))
