"""A random forest of scikit-learn as a model with uncertainty, as SMAC has it."""

from __future__ import annotations

import numpy as np
from sklearn.ensemble import RandomForestRegressor

from ray_remote_nni.tuner.models.cube import Floats
from ray_remote_nni.tuner.models.results import Evidence

# SMAC3's own forest, of samples of the trials, each split looking at most of the parameters; with 30 trees for its 10,
# since scikit-learn's are fast.
_TREES = 30
_PARAMETERS_SHARE = 5 / 6
_SMALLEST_SPLIT = 3


class Forest:
    """The losses as a function of the point: every tree has its opinion, and they differ where there are few trials.

    Losses are scaled to mean 0 and deviation 1 inside. A running trial counts as one whose loss is what the forest of
    the ended trials expects of it.
    Source: Hutter, Hoos, Leyton-Brown 2011, "Sequential model-based optimization for general algorithm configuration".
    """

    def __init__(self, known: Evidence, rng: np.random.Generator) -> None:
        """Fit it to what is known."""
        points, losses, running = known.points, known.losses, known.running
        seed = int(rng.integers(2**31))
        scaled = (losses - losses.mean()) / (float(losses.std()) or 1.0)
        self._fit(points, scaled, seed)
        if len(running):
            expected, _ = self.predict(running)
            self._fit(np.concatenate([points, running]), np.concatenate([scaled, expected]), seed)

    def predict(self, points: Floats) -> tuple[Floats, Floats]:
        """Return the expected losses at some points and their standard deviations, both scaled."""
        opinions = np.array([tree.predict(points) for tree in self._forest.estimators_])
        return opinions.mean(axis=0), np.maximum(opinions.std(axis=0), 1e-6)

    def _fit(self, points: Floats, losses: Floats, seed: int) -> None:
        self._forest = RandomForestRegressor(
            n_estimators=_TREES,
            max_features=_PARAMETERS_SHARE,
            min_samples_split=_SMALLEST_SPLIT,
            random_state=seed,
        ).fit(points, losses)
