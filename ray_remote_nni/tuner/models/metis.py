"""NNI's Metis: a Gaussian process says where a trial would teach most about the best configuration.

Each suggestion is one of few candidates: where the process is least certain (exploration); where good trials are dense
and bad ones are not, by a mixture of normals for each (exploitation); where a trial's loss is not what the others make
one expect (re-sampling, if wanted). Taken is the one after whose trial the lowest expected loss is expected to fall
most. In `exploration_probability` of the cases, that is; in the others it is the configuration that is expected to be
the best as things are. NNI fits a new process for two possible losses of each candidate; here the expectation is worked
out from the covariances of the one process, and what is expected to be the best is a candidate too.
Source: Li et al. 2018, "Metis: Robustly tuning tail latencies of cloud systems"; NNI 3.0, its `metis_tuner`.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.mixture import BayesianGaussianMixture

from ray_remote_nni.tuner.models.cube import Cube, Floats
from ray_remote_nni.tuner.models.gaussian_process import MOST_POINTS, GaussianProcess
from ray_remote_nni.tuner.models.maximise import maximise
from ray_remote_nni.tuner.models.results import Results

_NU = 1.5  # NNI's
_ALPHA = 1e-6
_STARTS = 10
# Of the trials, NNI takes a third for good ones, and looks at mixtures from the twelfth trial on.
_GOOD_SHARE = 0.34
_LEAST_FOR_MIXTURES = 12
_MOST_COMPONENTS = 5
# NNI's: from the fiftieth trial on, what lies outside of 98 % of what is expected is tried up to three times.
_LEAST_FOR_RESAMPLING = 50
_OUTLIER = 2.33
_MOST_SAMPLES = 3
# Where a candidate's trial may change what is expected: at the trials, and at so many of the best points.
_WATCHED = 100


@dataclass(frozen=True)
class MetisSettings:
    """NNI's classArgs of Metis."""

    no_resampling: bool = True
    no_candidates: bool = False
    selection_num_starting_points: int = 600
    cold_start_num: int = 10
    exploration_probability: float = 0.9


class MetisModel:
    """A Model that prefers what teaches most."""

    def __init__(self, cube: Cube, settings: MetisSettings) -> None:
        """Remember the settings: nothing else outlives a suggestion."""
        self.cold_start = settings.cold_start_num
        self._cube = cube
        self._settings = settings

    def preferred(self, results: Results, rng: np.random.Generator) -> Iterator[Floats]:
        """Yield the candidates, the one that teaches most first, and then what is expected to be best; see Model."""
        settings = self._settings
        known = results.evidence(self._cube, MOST_POINTS)
        points = known.points
        process = GaussianProcess(known, _NU, _ALPHA, rng)
        draws = settings.selection_num_starting_points
        starts = known.best(_STARTS)

        def goodness(candidates: Floats) -> Floats:
            return -process.predict(candidates)[0]

        def uncertainty(candidates: Floats) -> Floats:
            return process.predict(candidates)[1]

        optima = maximise(goodness, self._cube, rng, draws, _STARTS, starts)
        if not settings.no_candidates and rng.random() < settings.exploration_probability:
            best = list(islice(optima, _WATCHED))
            candidates = [best[0], next(maximise(uncertainty, self._cube, rng, draws, _STARTS, starts))]
            if len(points) >= _LEAST_FOR_MIXTURES:
                candidates.append(self._denser_with_good_ones(points, known.losses, rng))
            if not settings.no_resampling and len(points) >= _LEAST_FOR_RESAMPLING:
                candidates += outliers(process, points)
            gains = process.gains(np.array(candidates), np.concatenate([points, best]))
            yield from (candidates[place] for place in np.argsort(-gains, kind="stable"))
            yield from best
        yield from optima

    def _denser_with_good_ones(self, points: Floats, losses: Floats, rng: np.random.Generator) -> Floats:
        """Return the point at which the density of the good trials is largest against that of the bad ones."""
        order = np.argsort(losses, kind="stable")
        count = max(2, int(len(points) * _GOOD_SHARE))
        good, bad = (_mixture(points[part], int(rng.integers(2**31))) for part in (order[:count], order[count:]))

        def ratio(candidates: Floats) -> Floats:
            return np.asarray(good.score_samples(candidates) - bad.score_samples(candidates))

        draws = self._settings.selection_num_starting_points
        return next(maximise(ratio, self._cube, rng, draws, _STARTS, points[order[:_STARTS]]))


def _mixture(points: Floats, seed: int) -> BayesianGaussianMixture:
    components = max(1, min(_MOST_COMPONENTS, len(points) - 1))
    mixture = BayesianGaussianMixture(n_components=components, reg_covar=1e-3, random_state=seed)
    with warnings.catch_warnings():
        # It need not be the best of mixtures.
        warnings.simplefilter("ignore", ConvergenceWarning)
        return mixture.fit(points)


def outliers(process: GaussianProcess, points: Floats) -> list[Floats]:
    """Return points whose losses surprise, and that were not tried often."""
    _, places, counts = np.unique(points, axis=0, return_inverse=True, return_counts=True)
    often = counts[places.ravel()] >= _MOST_SAMPLES
    surprising = np.abs(process.surprises()[: len(points)]) > _OUTLIER
    return list(points[surprising & ~often])
