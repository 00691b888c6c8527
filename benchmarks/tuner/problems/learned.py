"""Two real models whose losses were tabulated once, by make_tables.py, and are interpolated here."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from benchmarks.tuner.problems.problem import Parameters, Problem, choice, loguniform, randint, uniform

DATA = Path(__file__).parents[1] / "data"


def learned_problems() -> list[Problem]:
    """Return the ninth and the tenth of the ten."""
    return [_svm_digits(), _gb_cancer()]


def _svm_digits() -> Problem:
    """3-fold error of a support vector classifier on 700 digits."""
    table = np.load(DATA / "svm_digits.npz")
    losses, kernels = table["loss"], [str(kernel) for kernel in table["kernels"]]

    def loss(parameters: Parameters) -> float:
        place = ((math.log10(parameters["C"]) + 3) / 6 * 18, (math.log10(parameters["gamma"]) + 5) / 6 * 18)
        return interpolate(losses[kernels.index(parameters["kernel"])], place)

    space = {"kernel": choice("rbf", "poly", "sigmoid"), "C": loguniform(1e-3, 1e3), "gamma": loguniform(1e-5, 1e1)}
    return Problem("svm_digits", space, loss, float(losses.min()))


def _gb_cancer() -> Problem:
    """3-fold log loss of gradient boosting on the breast-cancer data."""
    losses = np.load(DATA / "gb_cancer.npz")["loss"]
    leaves, shares = (1, 5, 20), (0.4, 0.7, 1.0)

    def loss(parameters: Parameters) -> float:
        leaf, share = leaves.index(parameters["leaf"]), shares.index(parameters["share"])
        place = ((math.log10(parameters["rate"]) + 3) / 3 * 9, (parameters["stages"] - 10) / 10)
        return interpolate(losses[:, parameters["depth"] - 1, leaf, share, :], place)

    space = {
        "rate": loguniform(1e-3, 1.0),
        "depth": randint(1, 6),
        "leaf": choice(*leaves),
        "share": choice(*shares),
        "stages": uniform(10, 100),
    }
    return Problem("gb_cancer", space, loss, float(losses.min()))


def interpolate(table: np.ndarray, place: Sequence[float]) -> float:
    """Interpolate linearly between the cells around a place given in fractions of an index."""
    cells, shares = [], []
    for coordinate, size in zip(place, table.shape, strict=True):
        inside = min(max(coordinate, 0.0), size - 1)
        first = min(int(inside), size - 2)
        cells.append(slice(first, first + 2))
        shares.append(inside - first)
    corner = table[tuple(cells)]
    for share in shares:
        corner = corner[0] * (1 - share) + corner[1] * share
    return float(corner)
