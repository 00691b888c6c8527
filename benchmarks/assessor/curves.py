"""Sets of learning curves: made up after a law that real ones follow, and computed by training."""

from __future__ import annotations

import warnings
from collections.abc import Callable

import numpy as np

#: The accuracy of each trial after each epoch: trials x epochs.
Curves = list[list[float]]


def power_laws(seed: int, trials: int = 100, epochs: int = 50) -> Curves:
    """Accuracies that approach their end as a power of the epoch, with noise; the ends are those of a random search.

    Most configurations are mediocre, a few are good and some fail to learn; the faster ones are not the better ones.
    """
    rng = np.random.default_rng(seed)
    steps = np.arange(1.0, epochs + 1)
    ends = 0.1 + 0.85 * rng.beta(3, 1.5, size=(trials, 1))
    rates = rng.uniform(0.3, 1.5, size=(trials, 1))
    values = ends - (ends - 0.1) * steps**-rates + rng.normal(0, 0.005, size=(trials, epochs))
    curves: Curves = np.clip(values, 0, 1).tolist()
    return curves


def digits(seed: int, trials: int = 60, epochs: int = 20) -> Curves:
    """Test accuracies of linear classifiers on scikit-learn's digits, trained by SGD with random hyperparameters."""
    from sklearn.datasets import load_digits
    from sklearn.linear_model import SGDClassifier
    from sklearn.model_selection import train_test_split

    rng = np.random.default_rng(seed)
    x, y = load_digits(return_X_y=True)
    x_train, x_test, y_train, y_test = train_test_split(x / 16, y, random_state=seed)
    classes = np.unique(y)
    curves: Curves = []
    for _ in range(trials):
        model = SGDClassifier(
            loss=str(rng.choice(["hinge", "log_loss", "modified_huber"])),
            alpha=10 ** rng.uniform(-6, 0),
            learning_rate=str(rng.choice(["constant", "adaptive"])),
            eta0=10 ** rng.uniform(-4, 0),
            random_state=seed,
        )
        curve = []
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for _ in range(epochs):
                model.partial_fit(x_train, y_train, classes=classes)
                curve.append(float(model.score(x_test, y_test)))
        curves.append(curve)
    return curves


SETS: dict[str, Callable[[int], Curves]] = {"power laws": power_laws, "digits (SGD)": digits}
