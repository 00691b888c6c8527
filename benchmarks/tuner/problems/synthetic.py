"""Six test functions on boxes."""

from __future__ import annotations

import math

import numpy as np

from benchmarks.tuner.problems.problem import Parameters, Problem, box, uniform


def synthetic_problems() -> list[Problem]:
    """Return the first six of the ten."""
    return [
        Problem("branin2", {"x": uniform(-5, 10), "y": uniform(0, 15)}, branin, 0.39788735772973816),
        box("hartmann6", hartmann, 6, 0, 1, optimum=-3.322368011391339),
        box("rosenbrock4", rosenbrock, 4, -5, 10),
        box("ackley5", ackley, 5, -32.768, 32.768, shift=0.5),
        box("rastrigin5", rastrigin, 5, -5.12, 5.12, shift=0.5),
        box("levy8", levy, 8, -10, 10, shift=0.5),
    ]


def branin(parameters: Parameters) -> float:
    x, y = parameters["x"], parameters["y"]
    bowl = y - 5.1 / (4 * math.pi**2) * x**2 + 5 / math.pi * x - 6
    return float(bowl**2 + 10 * (1 - 1 / (8 * math.pi)) * math.cos(x) + 10)


_HEIGHTS = np.array([1.0, 1.2, 3.0, 3.2])
_WIDTHS = np.array(
    [[10, 3, 17, 3.5, 1.7, 8], [0.05, 10, 17, 0.1, 8, 14], [3, 3.5, 1.7, 10, 17, 8], [17, 8, 0.05, 10, 0.1, 14]]
)
_CENTRES = 1e-4 * np.array(
    [
        [1312, 1696, 5569, 124, 8283, 5886],
        [2329, 4135, 8307, 3736, 1004, 9991],
        [2348, 1451, 3522, 2883, 3047, 6650],
        [4047, 8828, 8732, 5743, 1091, 381],
    ]
)


def hartmann(x: np.ndarray) -> float:
    return -float(_HEIGHTS @ np.exp(-np.sum(_WIDTHS * (x - _CENTRES) ** 2, axis=1)))


def rosenbrock(x: np.ndarray) -> float:
    return float(np.sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2))


def ackley(x: np.ndarray) -> float:
    slope = -20 * np.exp(-0.2 * np.sqrt(np.mean(x**2)))
    return float(slope - np.exp(np.mean(np.cos(2 * np.pi * x))) + 20 + np.e)


def rastrigin(x: np.ndarray) -> float:
    return float(10 * len(x) + np.sum(x**2 - 10 * np.cos(2 * np.pi * x)))


def levy(x: np.ndarray) -> float:
    w = 1 + (x - 1) / 4
    middle = np.sum((w[:-1] - 1) ** 2 * (1 + 10 * np.sin(np.pi * w[:-1] + 1) ** 2))
    last = (w[-1] - 1) ** 2 * (1 + np.sin(2 * np.pi * w[-1]) ** 2)
    return float(np.sin(np.pi * w[0]) ** 2 + middle + last)
