"""Two problems with categories: one that interacts with its numbers, one with choices nested two deep."""

from __future__ import annotations

import math

import numpy as np

from benchmarks.tuner.problems.problem import Parameters, Problem, choice, loguniform, randint, uniform


def conditional_problems() -> list[Problem]:
    """Return the seventh and the eighth of the ten."""
    return [Problem("mixed_cat8", _MIXED, mixed, 0.0), Problem("nested_choice", _NESTED, nested, 0.0)]


_OPTIMISERS, _ACTIVATIONS, _NORMS = ("sgd", "adam", "rms", "lamb"), tuple("abcde"), ("bn", "ln", "none")
_MIXED = {
    "optimiser": choice(*_OPTIMISERS),
    "activation": choice(*_ACTIVATIONS),
    "norm": choice(*_NORMS),
    "layers": randint(1, 13),
    "rate": loguniform(1e-5, 1.0),
    "momentum": uniform(0, 1),
    "dropout": uniform(0, 0.8),
    "decay": uniform(-8, -1),
}
_random = np.random.RandomState(7)
_PENALTY = _random.uniform(0, 1, (4, 5))[:, :, None] + _random.uniform(0, 0.6, (5, 3))[None]
_PENALTY = _PENALTY - _PENALTY.min()
_BEST_LOG_RATE = (-1.0, -3.0, -2.6, -2.2)  # depends on the optimiser


def mixed(parameters: Parameters) -> float:
    optimiser = _OPTIMISERS.index(parameters["optimiser"])
    activation, norm = _ACTIVATIONS.index(parameters["activation"]), _NORMS.index(parameters["norm"])
    off_rate = math.log10(parameters["rate"]) - _BEST_LOG_RATE[optimiser]
    off_momentum = parameters["momentum"] - 0.85
    return float(
        _PENALTY[optimiser, activation, norm]
        + 0.5 * min(off_rate**2, 4)
        + 2.0 * off_momentum**2
        + 3.0 * (parameters["dropout"] - 0.23) ** 2
        + 0.08 * (parameters["decay"] + 4.3) ** 2
        + 0.012 * (parameters["layers"] - 8) ** 2
        + 0.6 * abs(off_rate) * abs(off_momentum)
    )


_HEAD = choice({"_name": "linear"}, {"_name": "mlp", "hidden": loguniform(4, 1024), "drop": uniform(0, 0.9)})
_NESTED = {
    "model": choice(
        {"_name": "svm", "C": loguniform(1e-4, 1e4), "gamma": loguniform(1e-5, 1e2)},
        {"_name": "gbm", "rate": loguniform(1e-3, 1.0), "depth": randint(1, 13), "share": uniform(0.1, 1.0)},
        {"_name": "net", "width": randint(1, 65), "rate": loguniform(1e-5, 1e-1), "head": _HEAD},
    ),
    "features": uniform(0, 1),
    "scale": choice("none", "std", "minmax"),
}


def nested(parameters: Parameters) -> float:
    common = 2 * (parameters["features"] - 0.63) ** 2 + {"none": 0.25, "std": 0.0, "minmax": 0.08}[parameters["scale"]]
    model = parameters["model"]
    return float(common + {"svm": _svm, "gbm": _gbm, "net": _net}[model["_name"]](model))


def _svm(model: Parameters) -> float:
    a, b = math.log10(model["C"]) - 1.2, math.log10(model["gamma"]) + 2.1
    return 0.12 + 0.06 * a * a + 0.06 * b * b + 0.04 * a * b


def _gbm(model: Parameters) -> float:
    off_rate = math.log10(model["rate"]) + 1.3
    return float(0.05 + 0.25 * off_rate**2 + 0.006 * (model["depth"] - 5) ** 2 + 0.5 * (model["share"] - 0.7) ** 2)


def _net(model: Parameters) -> float:
    loss = 0.15 * (math.log10(model["rate"]) + 3.2) ** 2 + 0.0002 * (model["width"] - 48) ** 2
    head = model["head"]
    if head["_name"] == "linear":
        return float(loss + 0.15)
    return float(loss + 0.8 * (math.log2(head["hidden"]) / 8 - 0.9) ** 2 + 0.6 * (head["drop"] - 0.35) ** 2)
