"""The search space as the model sees it: numeric parameters in units of their prior, choices as integers.

hyperopt takes a parameter's prior for a normal kernel: around the middle of the range and as wide as the
range, or the normal distribution itself; for log forms in the logarithm. Here that prior has mean 0 and
width 1 for every numeric parameter, so that all of them can be computed at once.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ray_remote_nni.tuner.space import Choice, Integer, Normal, Numbers, Parameter, SearchSpace, Uniform

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

_SMALLEST = 1e-12  # what hyperopt takes for a logarithm's zero


@dataclass(frozen=True)
class Points:
    """Some configurations, a row each."""

    numeric: Floats  # NaN where inactive
    categories: Integers  # -1 where inactive

    def key(self, row: int) -> bytes:
        """Return something that is the same for the same points."""
        key: bytes = self.numeric[row].tobytes() + self.categories[row].tobytes()
        return key


class Coordinates:
    """The way from a space's numbers to the model's points and back."""

    def __init__(self, space: SearchSpace) -> None:
        """Lay out the axes of the space's parameters."""
        self.parameters = space.parameters
        self.numeric = [p.index for p in self.parameters if not isinstance(p.domain, Choice)]
        self.categorical = [p.index for p in self.parameters if isinstance(p.domain, Choice)]
        self.sizes = [self.parameters[index].domain.size or 0 for index in self.categorical]
        axes = [_axis(self.parameters[index]) for index in self.numeric]
        self.centre = np.array([axis.centre for axis in axes])
        self.width = np.array([axis.width for axis in axes])
        # hyperopt's least width of a kernel is a share of the prior's. A uniform distribution is sqrt(12) times as wide
        # as its standard deviation, which is all that a normal prior's width is: without this, kernels of its trials
        # are as much narrower. Measured on the set `normal` of benchmarks/tuner (seeds 100 to 115, 1 and 8 at once):
        # regret 0.137 -> 0.062 and 0.206 -> 0.120.
        self.extent = np.array([1.0 if axis.bounded else math.sqrt(12.0) for axis in axes])
        self.half = np.array([0.5 if axis.bounded else math.inf for axis in axes])
        # No kernel is narrower than half a step: it would draw its own mean and nothing else, and take a
        # neighbouring value for as new as any. Measured on eight of the tables of benchmarks/tuner (seeds 100 to
        # 123, 1 and 8 at once): regret 0.168 -> 0.128 and 0.201 -> 0.146.
        self.least_width = np.array([0.0 if axis.log else 0.5 * (axis.step or 0.0) / axis.width for axis in axes])
        self._log = np.array([axis.log for axis in axes], bool)
        self._least = np.array([axis.least for axis in axes])
        self._low = np.array([axis.low for axis in axes])
        self._high = np.array([axis.high for axis in axes])
        self._step = np.array([axis.step or math.nan for axis in axes])
        self._stepped = np.array([axis.step is not None for axis in axes], bool)
        self._position = {index: place for place, index in enumerate(self.numeric)}
        self._position.update({index: place for place, index in enumerate(self.categorical)})
        self._nested = [p for p in self.parameters if p.parent is not None]

    def points(self, numbers: Floats) -> Points:
        """Return the points of some configurations' numbers, a row each."""
        categories = numbers[:, self.categorical]
        inactive = np.isnan(categories)
        return Points(self._to_model(numbers[:, self.numeric]), np.where(inactive, -1, categories).astype(np.int64))

    def on_grid(self, numeric: Floats) -> Floats:
        """Move stepped parameters to the nearest of their values."""
        if not self._stepped.any():
            return numeric
        columns = self._stepped
        values = self._from_model(numeric)[:, columns]
        step = self._step[columns]
        values = np.clip(np.round(values / step) * step, self._low[columns], self._high[columns])
        moved = self._from_model(numeric)
        moved[:, columns] = values
        result = numeric.copy()
        result[:, columns] = self._to_model(moved)[:, columns]
        return result

    def deactivate(self, points: Points) -> Points:
        """Make inactive what the points' own nested choices leave out."""
        if not self._nested:
            return points
        numeric, categories = points.numeric.copy(), points.categories.copy()
        for parameter in self._nested:
            assert parameter.parent is not None
            off = categories[:, self._position[parameter.parent]] != parameter.branch
            place = self._position[parameter.index]
            if isinstance(parameter.domain, Choice):
                categories[off, place] = -1
            else:
                numeric[off, place] = math.nan
        return Points(numeric, categories)

    def numbers(self, points: Points, row: int) -> Numbers:
        """Return the numbers of one point."""
        numbers = [math.nan] * len(self.parameters)
        values = self._from_model(points.numeric[row : row + 1])[0]
        for place, index in enumerate(self.numeric):
            numbers[index] = float(values[place])
        for place, index in enumerate(self.categorical):
            category = int(points.categories[row, place])
            numbers[index] = math.nan if category < 0 else float(category)
        return numbers

    def _to_model(self, values: Floats) -> Floats:
        values = np.array(values)
        if self._log.any():
            values[:, self._log] = np.log(np.maximum(values[:, self._log], self._least[self._log]))
        values -= self.centre
        values /= self.width
        return values

    def _from_model(self, numeric: Floats) -> Floats:
        values: Floats = numeric * self.width + self.centre
        if self._log.any():
            values[:, self._log] = np.exp(values[:, self._log])
        return values


@dataclass(frozen=True)
class _Axis:
    centre: float
    width: float
    bounded: bool
    log: bool
    step: float | None
    least: float  # below it a value's logarithm is taken for that of `least`
    low: float
    high: float


def _axis(parameter: Parameter) -> _Axis:
    domain = parameter.domain
    if isinstance(domain, Integer):
        middle = 0.5 * (domain.low + domain.high - 1)
        size = float(domain.high - domain.low)
        return _Axis(middle, size, True, False, 1.0, 0.0, float(domain.low), float(domain.high - 1))
    if isinstance(domain, Uniform):
        low, high = (math.log(domain.low), math.log(domain.high)) if domain.log else (domain.low, domain.high)
        return _Axis(
            0.5 * (low + high), high - low, True, domain.log, domain.step,
            max(domain.low, _SMALLEST), domain.low, domain.high,
        )  # fmt: skip
    if isinstance(domain, Normal):
        return _Axis(
            domain.mu, domain.sigma, False, domain.log, domain.step, _SMALLEST,
            0.0 if domain.log else -math.inf, math.inf,
        )  # fmt: skip
    raise TypeError(domain)
