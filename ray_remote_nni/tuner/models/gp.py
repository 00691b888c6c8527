"""NNI's GP: Bayesian optimisation by a Gaussian process.

NNI's arguments keep their meaning. The process itself is ours: a length per parameter, in the logarithm for log forms,
where NNI has one for all parameters as they are; and NNI's 100,000 draws and 250 descents for each suggestion are 2,000
and 10 unless asked for.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.special import ndtr

from ray_remote_nni.tuner.models.cube import Cube, Floats
from ray_remote_nni.tuner.models.gaussian_process import MOST_POINTS, GaussianProcess
from ray_remote_nni.tuner.models.improvement import expected_improvement
from ray_remote_nni.tuner.models.maximise import maximise
from ray_remote_nni.tuner.models.results import Results


@dataclass(frozen=True)
class GpSettings:
    """NNI's classArgs of GP."""

    utility: Literal["ei", "ucb", "poi"] = "ei"
    kappa: float = 5.0
    xi: float = 0.0
    nu: float = 2.5
    alpha: float = 1e-6
    cold_start_num: int = 10
    selection_num_warm_up: int = 2000
    selection_num_starting_points: int = 10


class GpModel:
    """A Model whose preference is one of NNI's three utilities."""

    def __init__(self, cube: Cube, settings: GpSettings) -> None:
        """Remember the settings: nothing else outlives a suggestion."""
        self.cold_start = settings.cold_start_num
        self._cube = cube
        self._settings = settings

    def preferred(self, results: Results, rng: np.random.Generator) -> Iterator[Floats]:
        """Yield points in the order of their utility; see Model."""
        settings = self._settings
        known = results.evidence(self._cube, MOST_POINTS)
        process = GaussianProcess(known, settings.nu, settings.alpha, rng)
        # With noise, the best that is expected is a better guide than the best that was seen; of running trials too.
        best = float(process.predict(np.concatenate([known.points, known.running]))[0].min())

        def utility(candidates: Floats) -> Floats:
            means, deviations = process.predict(candidates)
            if settings.utility == "ucb":
                return settings.kappa * deviations - means
            goal = best - settings.xi / process.scale
            if settings.utility == "poi":
                return np.asarray(ndtr((goal - means) / deviations))
            return expected_improvement(means, deviations, goal)

        starts = settings.selection_num_starting_points
        return maximise(utility, self._cube, rng, settings.selection_num_warm_up, starts, known.best(5))
