"""The domain of one parameter: which values it has, with NNI's exact meaning.

Tuners compute with numbers: a choice is the index of its value, every other parameter is its value as a
float. `value` turns a number into what a trial gets, `number` turns that back.
Source: NNI's search space reference, and its `nni.common.hpo_utils`, which decides where they differ.
"""

from __future__ import annotations

import copy
import json
import math
from dataclasses import dataclass, field
from typing import Any, Protocol


class OutsideSpace(ValueError):
    """A value that the search space does not contain."""


class Domain(Protocol):
    """The values of one parameter."""

    @property
    def size(self) -> int | None:
        """How many values there are; None when there is no end of them."""
        ...

    def value(self, number: float) -> Any:
        """Return the value that a trial gets for a number near it."""
        ...

    def number(self, value: Any) -> float:
        """Return the number of a value; raises OutsideSpace for one that is not in the domain."""
        ...

    def level(self, index: int) -> float:
        """Return the number of the value at `index`, from 0 to `size` - 1; finite domains only."""
        ...


@dataclass(frozen=True)
class Choice:
    """NNI's choice: one of some JSON values, or of some nested spaces, which then go by their `_name`."""

    values: tuple[Any, ...]
    nested: bool = False
    _indices: dict[str, int] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        indices: dict[str, int] = {}
        for index, value in enumerate(self.values):
            indices.setdefault(json_key(value), index)
        object.__setattr__(self, "_indices", indices)

    @property
    def size(self) -> int:
        """How many values there are, equal ones counted each."""
        return len(self.values)

    def value(self, number: float) -> Any:
        """Return the value at an index; a list or an object is the caller's own copy."""
        value = self.values[int(number)]
        return copy.deepcopy(value) if isinstance(value, (list, dict)) else value

    def number(self, value: Any) -> float:
        """Return the index of the first value that is the same JSON."""
        index = self._indices.get(json_key(value))
        if index is None:
            known = ", ".join(map(json_key, self.values[:8])) + (", …" if len(self.values) > 8 else "")
            raise OutsideSpace(f"{json_key(value)} is none of {known}")
        return float(index)

    def level(self, index: int) -> float:
        """Return the index itself."""
        return float(index)


@dataclass(frozen=True)
class Integer:
    """NNI's randint: the integers from `low` to `high`, without `high`."""

    low: int
    high: int

    @property
    def size(self) -> int:
        """How many integers there are."""
        return self.high - self.low

    def value(self, number: float) -> int:
        """Return the nearest integer of the range."""
        return min(max(round(number), self.low), self.high - 1)

    def number(self, value: Any) -> float:
        """Return the integer as a float."""
        if not is_number(value) or value != int(value) or not self.low <= value < self.high:
            raise OutsideSpace(f"{value!r} is no integer in [{self.low}, {self.high})")
        return float(value)

    def level(self, index: int) -> float:
        """Return the integer at `index`."""
        return float(self.low + index)


@dataclass(frozen=True)
class Uniform:
    """NNI's uniform, quniform, loguniform and qloguniform; the bounds are in linear scale for all four."""

    low: float
    high: float
    log: bool = False
    step: float | None = None

    @property
    def size(self) -> int | None:
        """How many multiples of the step can come out; None without a step."""
        if self.step is None:
            return None
        first, last = self._steps()
        return last - first + 1

    def value(self, number: float) -> float:
        """Round to a multiple of the step, if there is one, and clip into the bounds."""
        if self.step is not None:
            number = round(number / self.step) * self.step
        return float(min(max(number, self.low), self.high))

    def number(self, value: Any) -> float:
        """Return the value as a float."""
        if not is_number(value) or not self.low <= value <= self.high:
            raise OutsideSpace(f"{value!r} is not in [{self.low}, {self.high}]")
        return float(value)

    def level(self, index: int) -> float:
        """Return the value at the multiple number `index` of the step."""
        assert self.step is not None
        return self.value((self._steps()[0] + index) * self.step)

    def _steps(self) -> tuple[int, int]:
        """Return the first and the last multiple that numbers inside the bounds round to.

        A bound halfway between two multiples belongs to the inner one: the outer has probability zero.
        """
        assert self.step is not None
        first = math.floor(self.low / self.step + 0.5)
        return first, max(first, math.ceil(self.high / self.step - 0.5))


@dataclass(frozen=True)
class Normal:
    """NNI's normal, qnormal, lognormal and qlognormal; `mu` and `sigma` of the log forms are the logarithm's."""

    mu: float
    sigma: float
    log: bool = False
    step: float | None = None

    @property
    def size(self) -> None:
        """There is no end of values, with a step too."""
        return None

    def value(self, number: float) -> float:
        """Round to a multiple of the step, if there is one; NNI does not clip these."""
        return float(number if self.step is None else round(number / self.step) * self.step)

    def number(self, value: Any) -> float:
        """Return the value as a float."""
        if not is_number(value) or (self.log and value < 0):
            raise OutsideSpace(f"{value!r} is not a possible value")
        return float(value)

    def level(self, index: int) -> float:
        """Never called: the domain is not finite."""
        raise IndexError(index)


def is_number(value: Any) -> bool:
    """Tell whether a value is a finite number; true and false are none."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def json_key(value: Any) -> str:
    """Tell apart what JSON tells apart: 1, 1.0, true and "1" are four values."""
    return json.dumps(value, sort_keys=True)
