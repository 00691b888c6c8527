"""Make data/*.npz, the losses of three real models: `python -m benchmarks.tuner.make_tables`, about 20 minutes.

Needs scikit-learn. Everything is seeded.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np
from sklearn.datasets import load_breast_cancer, load_digits
from sklearn.ensemble import GradientBoostingClassifier
from sklearn.metrics import log_loss
from sklearn.model_selection import StratifiedKFold
from sklearn.neural_network import MLPClassifier
from sklearn.svm import SVC

from benchmarks.tuner.problems.budgeted import EPOCHS, MLP_GRID
from benchmarks.tuner.problems.learned import DATA

Fold = tuple[np.ndarray, np.ndarray]


def main() -> None:
    """Write the tables."""
    _svm_digits()
    _gb_cancer()
    _mlp_digits()


def _folds(x: np.ndarray, y: np.ndarray) -> list[Fold]:
    return list(StratifiedKFold(3, shuffle=True, random_state=0).split(x, y))


def _svm_digits() -> None:
    x, y = load_digits(return_X_y=True)
    some = np.random.RandomState(0).permutation(len(y))[:700]
    x, y = x[some] / 16.0, y[some]
    folds = _folds(x, y)
    kernels, log_c, log_gamma = ("rbf", "poly", "sigmoid"), np.linspace(-3, 3, 19), np.linspace(-5, 1, 19)
    loss = np.zeros((len(kernels), len(log_c), len(log_gamma)))
    for (i, kernel), (j, c), (k, gamma) in itertools.product(
        enumerate(kernels), enumerate(log_c), enumerate(log_gamma)
    ):
        model = SVC(C=10**c, gamma=10**gamma, kernel=kernel, degree=3, max_iter=20000)
        loss[i, j, k] = np.mean([1 - model.fit(x[fit], y[fit]).score(x[test], y[test]) for fit, test in folds])
    np.savez(DATA / "svm_digits.npz", loss=loss, logC=log_c, logg=log_gamma, kernels=np.array(kernels))


def _gb_cancer() -> None:
    x, y = load_breast_cancer(return_X_y=True)
    x = x[:, ::2]  # half of the features: cheaper, and less saturated
    folds = _folds(x, y)
    log_rate, depth = np.linspace(-3, 0, 10), np.arange(1, 6)
    leaf, share, stages = np.array([1, 5, 20]), np.array([0.4, 0.7, 1.0]), np.arange(10, 101, 10)
    loss = np.zeros((len(log_rate), len(depth), len(leaf), len(share), len(stages)))
    for (a, rate), (b, deep), (c, least), (d, part) in itertools.product(
        *map(enumerate, (log_rate, depth, leaf, share))
    ):
        model = GradientBoostingClassifier(
            n_estimators=100, learning_rate=10**rate, max_depth=int(deep), min_samples_leaf=int(least),
            subsample=float(part), max_features=4, random_state=0,
        )  # fmt: skip
        by_fold = [list(_stage_losses(model.fit(x[fit], y[fit]), x[test], y[test])) for fit, test in folds]
        loss[a, b, c, d] = np.minimum(np.mean(by_fold, axis=0), 1.0)
    np.savez(DATA / "gb_cancer.npz", loss=loss, loglr=log_rate, depth=depth, msl=leaf, sub=share, stages=stages)


def _mlp_digits() -> None:
    x, y = load_digits(return_X_y=True)
    mixed = np.random.RandomState(0).permutation(len(y))
    x, y, fit, test = x / 16.0, y, mixed[:600], mixed[600:]
    errors = np.zeros((*map(len, MLP_GRID.values()), EPOCHS))
    for place in np.ndindex(errors.shape[:-1]):
        log_rate, log_alpha, momentum, batch, width = (
            values[index] for values, index in zip(MLP_GRID.values(), place, strict=True)
        )
        for start in range(2):
            model = MLPClassifier(
                (int(width),), solver="sgd", learning_rate_init=10**log_rate, alpha=10**log_alpha, momentum=momentum,
                batch_size=int(batch), random_state=start,
            )  # fmt: skip
            for epoch in range(EPOCHS):
                model.partial_fit(x[fit], y[fit], classes=np.arange(10))
                errors[(*place, epoch)] += (1 - model.score(x[test], y[test])) / 2
    np.savez_compressed(DATA / "mlp_digits.npz", error=errors.astype(np.float32))


def _stage_losses(model: GradientBoostingClassifier, x: np.ndarray, y: np.ndarray) -> Iterator[float]:
    for stage, probabilities in enumerate(model.staged_predict_proba(x), 1):
        if stage % 10 == 0:
            yield log_loss(y, probabilities, labels=[0, 1])


if __name__ == "__main__":
    main()
