"""A Gaussian process of scikit-learn over the unit cube, with the trials that run taken into account."""

from __future__ import annotations

import warnings

import numpy as np
from scipy.linalg import cho_solve
from sklearn.exceptions import ConvergenceWarning
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import ConstantKernel, Matern, WhiteKernel

from ray_remote_nni.tuner.models.cube import Floats
from ray_remote_nni.tuner.models.results import Evidence

#: More are not to be given: time grows with the cube of this, to 0.7 s of CPU for 10 parameters.
MOST_POINTS = 150
# The kernel's lengths and the noise are fitted from the default and from so many random starts.
_RESTARTS = 2
_LENGTHS = (0.1, 20.0)
_AMPLITUDES = (0.05, 20.0)
_NOISES = (1e-6, 1.0)
_NODES, _WEIGHTS = np.polynomial.hermite_e.hermegauss(9)


class GaussianProcess:
    """The losses as a function of the point, Matérn with a length of its own per axis.

    Losses are scaled to mean 0 and deviation 1 inside, and noise of a fitted size is allowed for. A running trial
    counts as one whose loss is just what is expected of it: that lets the expectation be, and takes away the
    uncertainty around it, so that the next trial goes elsewhere (the "kriging believer" of Ginsbourger 2010).
    """

    def __init__(self, known: Evidence, nu: float, alpha: float, rng: np.random.Generator) -> None:
        """Fit it to what is known; `alpha` is noise (a variance, scaled) that is there in any case."""
        points, losses, running = known.points, known.losses, known.running
        self.centre = float(losses.mean())
        self.scale = float(losses.std()) or 1.0
        scaled = (losses - self.centre) / self.scale
        kernel = ConstantKernel(1.0, _AMPLITUDES) * Matern(np.full(points.shape[1], 0.5), _LENGTHS, nu=nu)
        kernel += WhiteKernel(1e-3, _NOISES)
        fitted = GaussianProcessRegressor(
            kernel, alpha=alpha, n_restarts_optimizer=_RESTARTS, random_state=int(rng.integers(2**31))
        )
        with warnings.catch_warnings():
            # A length at the end of its range is no news: its axis does not matter.
            warnings.simplefilter("ignore", ConvergenceWarning)
            fitted.fit(points, scaled)
        self._signal = fitted.kernel_.k1
        #: The variance of a measurement, scaled.
        self.noise = alpha + fitted.kernel_.k2.noise_level
        self._losses = scaled
        self._process = self._given(points, scaled)
        if len(running):
            expected = self._process.predict(running)
            self._losses = np.concatenate([scaled, expected])
            self._process = self._given(np.concatenate([points, running]), self._losses)

    def predict(self, points: Floats) -> tuple[Floats, Floats]:
        """Return the expected losses at some points and their standard deviations, both scaled, without the noise."""
        with warnings.catch_warnings():
            # Variances that rounding made negative are 0.
            warnings.simplefilter("ignore")
            means, deviations = self._process.predict(points, return_std=True)
        return means, np.maximum(deviations, 1e-9)

    def gains(self, candidates: Floats, watched: Floats) -> Floats:
        """Return by how much the lowest expected loss is expected to fall when a candidate is tried, for each.

        Only the losses at the points `watched`, and at the candidates, are looked at (the "knowledge gradient" of
        Frazier 2009). What is expected of them after the trial is linear in its loss, which is a normal variable: the
        expectation over it is an integral by Gauss and Hermite.
        """
        means, covariances = self._process.predict(np.concatenate([candidates, watched]), return_cov=True)
        weights = _WEIGHTS / _WEIGHTS.sum()
        gains = []
        for place in range(len(candidates)):
            slope = covariances[place] / np.sqrt(max(covariances[place, place], 0.0) + self.noise)
            lowest = (means[:, None] + slope[:, None] * _NODES).min(axis=0)
            gains.append(means.min() - lowest @ weights)
        return np.array(gains)

    def surprises(self) -> Floats:
        """Return how many standard deviations each loss lies from what all the others make one expect.

        Source: Rasmussen, Williams 2006, "Gaussian Processes for Machine Learning", 5.4.2. Running trials come last.
        """
        inverse = cho_solve((self._process.L_, True), np.eye(len(self._losses)))
        surprises: Floats = (inverse @ self._losses) / np.sqrt(np.diag(inverse))
        return surprises

    def _given(self, points: Floats, losses: Floats) -> GaussianProcessRegressor:
        process = GaussianProcessRegressor(self._signal, alpha=self.noise, optimizer=None)
        return process.fit(points, losses)
