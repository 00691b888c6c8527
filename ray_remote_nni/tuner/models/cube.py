"""A flat search space as the unit cube: a coordinate per parameter, for models that know nothing of parameters."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ray_remote_nni.tuner.space import Choice, Domain, Integer, Numbers, SearchSpace, Uniform

Floats = NDArray[np.float64]


class Cube:
    """The way from a space's numbers to points between 0 and 1, a row each, and back.

    A range is linear in the cube, or its logarithm is. The values of a choice and of a randint lie evenly, each in
    the middle of its share; those of a choice among numbers in their order.
    """

    def __init__(self, space: SearchSpace) -> None:
        """Lay out the axes of choices, randint and the uniform forms, none of them nested."""
        self._axes = [_axis(parameter.domain) for parameter in space.parameters]
        self.dimensions = len(self._axes)
        #: How far neighbouring values are from each other on each axis; 0 where there is no step.
        self.steps: Floats = np.array([axis.step for axis in self._axes])

    def points(self, numbers: Sequence[Numbers]) -> Floats:
        """Return the points of some configurations."""
        table: Floats = np.array(numbers, float).reshape(len(numbers), self.dimensions)
        for place, axis in enumerate(self._axes):
            table[:, place] = axis.to_cube(table[:, place])
        return table

    def snap(self, points: Floats) -> Floats:
        """Move points to the nearest ones that a trial can have."""
        moved: Floats = np.clip(points, 0.0, 1.0)
        for place, axis in enumerate(self._axes):
            moved[:, place] = axis.to_cube(axis.from_cube(moved[:, place]))
        return moved

    def numbers(self, point: Floats) -> Numbers:
        """Return the numbers of one point."""
        return [float(axis.from_cube(point[place : place + 1])[0]) for place, axis in enumerate(self._axes)]

    def draw(self, count: int, rng: np.random.Generator) -> Floats:
        """Draw points that trials can have, as NNI draws them from the search space."""
        return self.snap(rng.random((count, self.dimensions)))


class _Axis(Protocol):
    step: float

    def to_cube(self, numbers: Floats) -> Floats: ...

    def from_cube(self, coordinates: Floats) -> Floats: ...


class _Levels:
    """The values of a choice, numbers among them in their order."""

    def __init__(self, domain: Choice) -> None:
        numeric = all(isinstance(value, (int, float)) for value in domain.values)
        order = np.argsort(np.array(domain.values, float), kind="stable") if numeric else np.arange(domain.size)
        self._order = order.astype(float)
        self._rank = np.argsort(order, kind="stable").astype(float)
        self.step = 1.0 / domain.size

    def to_cube(self, numbers: Floats) -> Floats:
        ranks: Floats = self._rank[numbers.astype(np.int64)]
        return (ranks + 0.5) * self.step

    def from_cube(self, coordinates: Floats) -> Floats:
        last = len(self._order) - 1
        numbers: Floats = self._order[np.minimum(coordinates / self.step, last).astype(np.int64)]
        return numbers


class _Integers:
    """The integers of a randint."""

    def __init__(self, domain: Integer) -> None:
        self._low = domain.low
        self._size = domain.size
        self.step = 1.0 / domain.size

    def to_cube(self, numbers: Floats) -> Floats:
        return (numbers - self._low + 0.5) / self._size

    def from_cube(self, coordinates: Floats) -> Floats:
        numbers: Floats = self._low + np.minimum(np.floor(coordinates * self._size), self._size - 1)
        return numbers


class _Range:
    """A uniform, quniform, loguniform or qloguniform."""

    def __init__(self, domain: Uniform) -> None:
        self._domain = domain
        self._low, self._high = (
            (math.log(domain.low), math.log(domain.high)) if domain.log else (domain.low, domain.high)
        )
        # Steps of a log form are of different widths in the cube; searches go by the widest.
        wide = math.log1p((domain.step or 0.0) / domain.low) if domain.log else domain.step or 0.0
        self.step = min(wide / (self._high - self._low), 1.0)

    def to_cube(self, numbers: Floats) -> Floats:
        values = np.log(numbers) if self._domain.log else numbers
        coordinates: Floats = np.clip((values - self._low) / (self._high - self._low), 0.0, 1.0)
        return coordinates

    def from_cube(self, coordinates: Floats) -> Floats:
        values = self._low + coordinates * (self._high - self._low)
        values = np.exp(values) if self._domain.log else values
        if self._domain.step is not None:
            values = np.round(values / self._domain.step) * self._domain.step
        numbers: Floats = np.clip(values, self._domain.low, self._domain.high)
        return numbers


def _axis(domain: Domain) -> _Axis:
    if isinstance(domain, Choice):
        return _Levels(domain)
    if isinstance(domain, Integer):
        return _Integers(domain)
    assert isinstance(domain, Uniform)
    return _Range(domain)
