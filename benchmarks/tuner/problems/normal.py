"""Problems with normal priors, of which the other sets have next to none: smooth and rugged, with steps and logs."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from benchmarks.tuner.problems.problem import Parameters, Problem, Space, uniform


def normal_problems() -> list[Problem]:
    """Return the six."""
    return [
        _bowl("normal5", {f"x{index}": _normal(0, 1) for index in range(5)}, dict(zip(_FIVE, _BEST_FIVE, strict=True))),
        _bowl("lognormal4", _LOGS, {"a": 1.9, "b": -0.4, "c": 13.5, "d": 6.1}),
        _bowl("normal8", {name: _normal(*prior) for name, prior in _EIGHT.items()}, _best_of_eight()),
        Problem("mixednormal6", _MIXED, mixed, 0.0),
        Problem("ackleynormal4", {f"x{index}": _normal(0, 2) for index in range(4)}, ackley, 0.0),
        Problem("ridgenormal3", {f"x{index}": _normal(0, 0.5) for index in range(3)}, ridge, 0.0),
    ]


def _normal(mu: float, sigma: float) -> Space:
    return {"_type": "normal", "_value": [mu, sigma]}


_FIVE, _BEST_FIVE = tuple(f"x{index}" for index in range(5)), (-1.2, 0.4, 0.9, -0.3, 1.6)
_LOGS: Space = {
    "a": {"_type": "lognormal", "_value": [1, 1]},
    "b": {"_type": "lognormal", "_value": [0, 0.5]},
    "c": {"_type": "qnormal", "_value": [10, 3, 0.5]},
    "d": _normal(5, 2),
}
_EIGHT = {f"x{index}": (3.0 * index, 1.0 + index) for index in range(8)}


def _best_of_eight() -> dict[str, float]:
    rng = np.random.RandomState(3)
    return {name: mu + sigma * rng.normal() for name, (mu, sigma) in _EIGHT.items()}


def _bowl(name: str, space: Space, best: Mapping[str, float]) -> Problem:
    """The square of the distance from the best place (its logarithm for log forms), in standard deviations."""

    def loss(parameters: Parameters) -> float:
        total = 0.0
        for parameter, spec in space.items():
            value = parameters[parameter]
            value = math.log(max(value, 1e-9)) if "log" in spec["_type"] else value
            total += ((value - best[parameter]) / spec["_value"][1]) ** 2
        return float(total)

    return Problem(name, space, loss, 0.0)


_MIXED: Space = {
    "a": _normal(0, 1),
    "b": _normal(0, 1),
    "c": {"_type": "lognormal", "_value": [-4, 2]},
    "d": {"_type": "qnormal", "_value": [64, 20, 4]},
    "e": {"_type": "qnormal", "_value": [0, 3, 1]},
    "f": uniform(0, 1),
}


def mixed(parameters: Parameters) -> float:
    a, b = parameters["a"] + 0.7, parameters["b"] - 0.2
    c, d = (math.log(max(parameters["c"], 1e-9)) + 6) / 2, (parameters["d"] - 92) / 20
    e, f = (parameters["e"] + 2) / 3, 3 * (parameters["f"] - 0.3)
    return float(a * a + b * b + c * c + d * d + e * e + f * f + 2 * a * a * abs(b) + (c - d) ** 2)


def ackley(parameters: Parameters) -> float:
    x = np.array([parameters[f"x{index}"] for index in range(4)]) - (1.5, -2.6, 0.3, 3.1)
    ripples = math.exp(np.cos(2 * math.pi * x).mean())
    return max(20 - 20 * math.exp(-0.2 * math.sqrt(x @ x / 4)) + math.e - ripples, 0.0)


_ROTATION = np.linalg.qr(np.random.RandomState(9).normal(size=(3, 3)))[0]


def ridge(parameters: Parameters) -> float:
    x = np.array([parameters[f"x{index}"] for index in range(3)]) - (0.2, -0.3, 0.1)
    return float(np.sum(np.array([30, 5, 1]) * (_ROTATION @ x) ** 2))
