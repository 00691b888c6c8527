"""Two real models whose trainings may be cut short: the tuner puts the budget, epochs or stages, into the parameters.

They were tabulated once, by make_tables.py, and are interpolated here.
"""

from __future__ import annotations

import math

import numpy as np

from benchmarks.tuner.problems.learned import DATA, interpolate
from benchmarks.tuner.problems.problem import Parameters, Problem, choice, loguniform, randint, uniform

#: The whole training, which is meant where the parameters say nothing; a power of Hyperband's eta.
EPOCHS = 27
BUDGET = "TRIAL_BUDGET"

#: Where the perceptron was trained; between the first three the table is interpolated.
MLP_GRID = {
    "log_rate": (-4.0, -3.5, -3.0, -2.5, -2.0, -1.5, -1.0, -0.5, 0.0),
    "log_alpha": (-5.0, -4.0, -3.0, -2.0, -1.0, 0.0),
    "momentum": (0.0, 0.45, 0.9),
    "batch": (16, 64, 256),
    "width": (8, 24, 72),
}


def budgeted_problems() -> list[Problem]:
    """Return both."""
    return [_mlp_epochs(), _gb_stages()]


def _mlp_epochs() -> Problem:
    """Error on digits of a perceptron with one hidden layer, after epochs of stochastic gradient descent."""
    errors = np.load(DATA / "mlp_digits.npz")["error"]

    def loss(parameters: Parameters) -> float:
        batch, width = (MLP_GRID[name].index(parameters[name]) for name in ("batch", "width"))
        place = (
            2 * (math.log10(parameters["rate"]) + 4),
            math.log10(parameters["alpha"]) + 5,
            parameters["momentum"] / 0.45,
        )
        return interpolate(errors[:, :, :, batch, width, parameters.get(BUDGET, EPOCHS) - 1], place)

    space = {
        "rate": loguniform(1e-4, 1.0),
        "alpha": loguniform(1e-5, 1.0),
        "momentum": uniform(0.0, 0.9),
        "batch": choice(*MLP_GRID["batch"]),
        "width": choice(*MLP_GRID["width"]),
    }
    return Problem("mlp_epochs", space, loss, float(errors.min()))


def _gb_stages() -> Problem:
    """3-fold log loss of gradient boosting on the breast-cancer data; an epoch is a 27th of 100 stages."""
    losses = np.load(DATA / "gb_cancer.npz")["loss"]
    leaves, shares = (1, 5, 20), (0.4, 0.7, 1.0)
    # Before the first stage only the shares of the two classes are known, 212 and 357.
    untrained = np.full((*losses.shape[:-1], 1), -sum(n / 569 * math.log(n / 569) for n in (212, 357)))
    losses = np.concatenate((untrained, losses), axis=-1)

    def loss(parameters: Parameters) -> float:
        leaf, share = leaves.index(parameters["leaf"]), shares.index(parameters["share"])
        place = ((math.log10(parameters["rate"]) + 3) / 3 * 9, parameters.get(BUDGET, EPOCHS) * 10 / EPOCHS)
        return interpolate(losses[:, parameters["depth"] - 1, leaf, share, :], place)

    space = {
        "rate": loguniform(1e-3, 1.0),
        "depth": randint(1, 6),
        "leaf": choice(*leaves),
        "share": choice(*shares),
    }
    return Problem("gb_stages", space, loss, float(losses.min()))
