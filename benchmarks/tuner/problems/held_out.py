"""Problems that no choice in the tuner was made on: they only ever confirm one.

Boxes of 3 to 20 dimensions, rugged and smooth ones; steps, integers and normal priors; large categories
that interact; a pipeline of nested choices.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from benchmarks.tuner.problems.problem import Parameters, Problem, Space, box, choice, loguniform, randint, uniform


def held_out_problems() -> list[Problem]:
    """Return the nine."""
    return [
        box("griewank6", griewank, 6, -60, 60, shift=0.6),
        box("styblinski7", styblinski, 7, -5, 5, optimum=-39.16616570377142 * 7, shift=0.0),
        box("ellipsoid10", ellipsoid, 10, -5, 5, shift=0.6),
        box("sphere20", lambda x: float(x @ x), 20, -1, 1, shift=0.7),
        box("schwefel3", schwefel, 3, -500, 500),
        Problem("lattice6", _LATTICE, lattice, 0.0),
        Problem("categories5", _CATEGORIES, categories, 0.0),
        Problem("network9", _NETWORK, network, 0.0),
        Problem("pipeline", _PIPELINE, pipeline, 0.0),
    ]


def griewank(x: np.ndarray) -> float:
    return float(x @ x / 4000 - np.prod(np.cos(x / np.sqrt(np.arange(1, len(x) + 1)))) + 1)


def styblinski(x: np.ndarray) -> float:
    return float(np.sum(x**4 - 16 * x**2 + 5 * x) / 2)


_ROTATION = np.linalg.qr(np.random.RandomState(3).normal(size=(10, 10)))[0]


def ellipsoid(x: np.ndarray) -> float:
    return float(np.sum(10 ** (2 * np.arange(10) / 9) * (_ROTATION @ x) ** 2))


def schwefel(x: np.ndarray) -> float:
    return float(418.9828872724339 * len(x) - np.sum(x * np.sin(np.sqrt(np.abs(x)))))


_LATTICE: Space = {
    "a": {"_type": "quniform", "_value": [0, 10, 0.5]},
    "b": {"_type": "qloguniform", "_value": [8, 1024, 8]},
    "c": randint(0, 1000),
    "d": {"_type": "normal", "_value": [0, 1]},
    "e": {"_type": "lognormal", "_value": [0, 1]},
    "f": {"_type": "qnormal", "_value": [20, 5, 1]},
}


def lattice(parameters: Parameters) -> float:
    a, b, c, d, e, f = (float(parameters[name]) for name in "abcdef")
    ridge = (c / 1000 - 0.3 - 0.05 * (a - 6.5)) ** 2
    return (
        0.1 * (a - 6.5) ** 2
        + 0.3 * (math.log2(b) - 7.0) ** 2
        + 20 * (ridge if ridge > 1e-6 else 0.0)
        + (d + 1.1) ** 2
        + abs(math.log(max(e, 1e-9)) - 0.7)
        + 0.05 * (f - 27) ** 2
    )


_WAYS = 12
_random = np.random.RandomState(11)
_PAIRS = [_random.gamma(2.0, 0.5, (_WAYS, _WAYS)) for _ in range(2)]
_BEST_SUM = min(_PAIRS[0][i, j] + _PAIRS[1][j, k] for i in range(_WAYS) for j in range(_WAYS) for k in range(_WAYS))
_CATEGORIES: Space = {
    **{name: choice(*(f"{name}{way}" for way in range(_WAYS))) for name in "pqr"},
    "x": uniform(0, 1),
    "y": loguniform(1e-4, 1),
}


def categories(parameters: Parameters) -> float:
    i, j, k = (int(parameters[name][1:]) for name in "pqr")
    numbers = (parameters["x"] - 0.35) ** 2 * 4 + (math.log10(parameters["y"]) + 1.7) ** 2 * 0.3
    return float(_PAIRS[0][i, j] + _PAIRS[1][j, k] - _BEST_SUM + numbers)


_NETWORK: Space = {
    "rate": loguniform(1e-6, 1),
    "batch": choice(16, 32, 64, 128, 256, 512),
    "layers": randint(1, 9),
    "width": {"_type": "qloguniform", "_value": [16, 2048, 16]},
    "dropout": uniform(0, 0.9),
    "decay": loguniform(1e-8, 1e-1),
    "warmup": uniform(0, 1),
    "activation": choice("relu", "gelu", "tanh", "sigmoid"),
    "momentum": uniform(0.5, 1),
}


def network(parameters: Parameters) -> float:
    """Something like a network's error: the best rate follows the batch, and too high a rate diverges."""
    best_rate = -2.5 + 0.5 * math.log2(parameters["batch"] / 64) / 2 - 0.1 * (parameters["layers"] - 4)
    off_rate = math.log10(parameters["rate"]) - best_rate
    if off_rate > 1.0:
        return 5.0
    capacity = math.log2(parameters["width"]) + 0.5 * parameters["layers"]
    regular = parameters["dropout"] + 0.12 * (math.log10(parameters["decay"]) + 8)
    return float(
        0.5 * off_rate**2
        + 0.1 * (capacity - 11.5) ** 2
        + 1.5 * (regular - 0.75) ** 2
        + 0.3 * (parameters["warmup"] - 0.1) ** 2
        + {"relu": 0.05, "gelu": 0.0, "tanh": 0.25, "sigmoid": 0.6}[parameters["activation"]]
        + 2.0 * (parameters["momentum"] - 0.93) ** 2
        + 0.02 * abs(math.log2(parameters["batch"] / 64))
    )


_MODELS: Sequence[Space] = (
    {"_name": "linear", "alpha": loguniform(1e-6, 1e3), "penalty": choice("l1", "l2")},
    {"_name": "forest", "trees": randint(10, 500), "depth": randint(2, 40), "share": uniform(0.05, 1)},
    {
        "_name": "boosting",
        "rate": loguniform(1e-4, 1),
        "leaves": {"_type": "qloguniform", "_value": [2, 512, 1]},
        "sampling": choice({"_name": "all"}, {"_name": "some", "share": uniform(0.1, 1), "each": randint(1, 20)}),
    },
    {"_name": "neighbours", "k": {"_type": "qloguniform", "_value": [1, 200, 1]}, "metric": choice("l1", "l2", "cos")},
)
_PIPELINE: Space = {
    "clean": choice(
        {"_name": "none"}, {"_name": "pca", "kept": uniform(0.1, 1)}, {"_name": "select", "k": randint(1, 64)}
    ),
    "model": choice(*_MODELS),
    "scale": choice("none", "standard", "rank"),
}


def pipeline(parameters: Parameters) -> float:
    clean, model = parameters["clean"], parameters["model"]
    loss = {"none": 0.1, "standard": 0.05, "rank": 0.0}[parameters["scale"]]
    if clean["_name"] == "pca":
        loss += 0.1 + (clean["kept"] - 0.6) ** 2
    else:
        loss += 0.15 if clean["_name"] == "none" else 0.0005 * (clean["k"] - 23) ** 2 / 4
    if model["_name"] == "linear":
        return float(loss + 0.5 + 0.05 * (math.log10(model["alpha"]) - 1) ** 2 + 0.05 * (model["penalty"] == "l1"))
    if model["_name"] == "forest":
        size = 0.1 * (math.log(500) - math.log(model["trees"])) + 0.0002 * (model["depth"] - 25) ** 2
        return float(loss + 0.15 + size + 0.4 * (model["share"] - 0.3) ** 2)
    if model["_name"] == "neighbours":
        metric = {"l1": 0.05, "l2": 0.1, "cos": 0.0}[model["metric"]]
        return float(loss + 0.4 + metric + 0.1 * (math.log(model["k"]) - 2) ** 2)
    sampling = model["sampling"]
    loss += 0.3 * (math.log10(model["rate"]) + 1.5) ** 2 + 0.05 * (math.log2(model["leaves"]) - 5) ** 2
    if sampling["_name"] == "all":
        return float(loss + 0.1)
    return float(loss + 0.6 * (sampling["share"] - 0.7) ** 2 + 0.002 * (sampling["each"] - 4) ** 2)
