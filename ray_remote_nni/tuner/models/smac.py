"""NNI's SMAC: Bayesian optimisation by a random forest, which choices and numbers are all the same to.

NNI has version 0.x of the package `smac`, whose forest (pyrfr) is no longer built for the Pythons of today. This is its
method by scikit-learn's forest: expected improvement, maximised by draws and by local search around the best trials,
and some trials in between that are drawn at random.
Source: Hutter, Hoos, Leyton-Brown 2011, "Sequential model-based optimization for general algorithm configuration".
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ray_remote_nni.tuner.models.cube import Cube, Floats
from ray_remote_nni.tuner.models.forest import Forest
from ray_remote_nni.tuner.models.improvement import expected_improvement
from ray_remote_nni.tuner.models.maximise import maximise
from ray_remote_nni.tuner.models.results import Results

_MOST_POINTS = 500
_COLD_START = 10
# SMAC3's share of trials that are drawn, which keeps the forest from deceiving itself.
_RANDOM_SHARE = 0.2
_DRAWS = 2000
_STARTS = 10


class SmacModel:
    """A Model whose preference is the improvement that a forest expects."""

    cold_start = _COLD_START

    def __init__(self, cube: Cube) -> None:
        """Remember the cube: nothing else outlives a suggestion."""
        self._cube = cube

    def preferred(self, results: Results, rng: np.random.Generator) -> Iterator[Floats]:
        """Yield points in the order of the improvement that is expected of them, or none; see Model."""
        if rng.random() < _RANDOM_SHARE:
            return iter(())
        known = results.evidence(self._cube, _MOST_POINTS)
        forest = Forest(known, rng)
        best = float(forest.predict(np.concatenate([known.points, known.running]))[0].min())

        def improvement(candidates: Floats) -> Floats:
            return expected_improvement(*forest.predict(candidates), best)

        return maximise(improvement, self._cube, rng, _DRAWS, _STARTS, known.best(_STARTS))
