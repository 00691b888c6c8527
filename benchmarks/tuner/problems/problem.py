"""A problem: a search space in NNI's JSON, a loss to be minimised, and the two losses that set its scale."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

Space = dict[str, Any]
Parameters = dict[str, Any]


@dataclass(frozen=True)
class Problem:
    """Something to minimise whose best loss is known."""

    name: str
    space: Space
    loss: Callable[[Parameters], float]
    optimum: float

    @cached_property
    def best_of_ten(self) -> float:
        """The best loss of ten random draws, on average (over 2000 tens, seeded)."""
        rng = np.random.default_rng(12345)
        losses = [self.loss(draw(self.space, rng)) for _ in range(20000)]
        return float(np.min(np.reshape(losses, (2000, 10)), axis=1).mean())

    def regret(self, loss: float) -> float:
        """Return how far a loss is from the optimum, in units of where ten random draws leave one."""
        return max(loss - self.optimum, 0.0) / (self.best_of_ten - self.optimum)


def draw(space: Space, rng: np.random.Generator) -> Parameters:
    """Draw parameters from a search space, as random search does."""
    return {name: _draw_value(spec["_type"], spec["_value"], rng) for name, spec in space.items() if name != "_name"}


def _draw_value(kind: str, values: list[Any], rng: np.random.Generator) -> Any:
    if kind == "choice":
        value = values[int(rng.integers(len(values)))]
        if isinstance(value, dict) and "_name" in value:
            return {"_name": value["_name"], **draw(value, rng)}
        return value
    if kind == "randint":
        return int(rng.integers(values[0], values[1]))
    if "normal" in kind:
        number = rng.normal(values[0], values[1])
        number = math.exp(number) if "log" in kind else number
    elif "log" in kind:
        number = math.exp(rng.uniform(math.log(values[0]), math.log(values[1])))
    else:
        number = rng.uniform(values[0], values[1])
    if kind.startswith("q"):
        number = round(number / values[2]) * values[2]
        if "uniform" in kind:
            number = min(max(number, values[0]), values[1])
    return float(number)


def uniform(low: float, high: float) -> Space:
    return {"_type": "uniform", "_value": [low, high]}


def loguniform(low: float, high: float) -> Space:
    return {"_type": "loguniform", "_value": [low, high]}


def randint(low: int, high: int) -> Space:
    return {"_type": "randint", "_value": [low, high]}


def choice(*values: Any) -> Space:
    return {"_type": "choice", "_value": list(values)}


def box(
    name: str,
    function: Callable[[np.ndarray], float],
    dimensions: int,
    low: float,
    high: float,
    optimum: float = 0.0,
    shift: float = 0.0,
) -> Problem:
    """Make a problem of a function on a box, moved off centre by up to `shift` of the half width.

    A TPE's prior sits in the centre, where too many test functions have their optimum.
    """
    seed = sum(ord(letter) * place for place, letter in enumerate(name, 1))
    offset = np.random.RandomState(seed).uniform(-shift, shift, dimensions) * (high - low) / 2
    names = [f"x{index}" for index in range(dimensions)]

    def loss(parameters: Parameters) -> float:
        return float(function(np.array([parameters[name] for name in names]) - offset))

    return Problem(name, {name: uniform(low, high) for name in names}, loss, optimum)
