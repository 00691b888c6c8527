"""By how much a configuration is expected to be better than the best, given the losses of all trials so far.

The ratio of TPE's two densities only knows which trials are good. A Gaussian process over all of them knows how
good, and what lies between them, and tells the better of candidates that TPE draws around its good trials. That
candidates are drawn near good trials and chosen by a regression is Regis and Shoemaker's (2013, DYCORS); the
expected improvement is Jones's (1998). In place of losses it takes their normal scores, so that it does not matter
how they are scaled, nor that some are infinite. Nothing is fitted, which would cost more time than the rest of a
suggestion: how far one sees is drawn each time.

Measured on twelve problems that are not kept here (seeds 100 to 111, 1 and 8 at once): regret 0.165 -> 0.115 and
0.194 -> 0.131 with most candidates compared so, not by the ratio; more in benchmarks/tuner.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import solve_triangular
from scipy.special import erfcx, ndtri

from ray_remote_nni.tuner.tpe.coordinates import Coordinates, Points

Floats = NDArray[np.float64]

# Of a normal score, whose variance is 1.
_NOISE = 0.01
# Two values of a choice are as far apart as numbers at half of their range.
_CHOICE = 0.5
# A value of a normal prior can lie any number of ranges away; single precision would lose its neighbours' distances.
_FARTHEST = 1.5
_MOST_DEVIATIONS = 30.0


class Expectation:
    """A Gaussian process (Matérn 5/2) over configurations.

    A running trial counts as one whose loss is just what is expected of it (the "kriging believer" of Ginsbourger
    2010): only the uncertainty around it is gone, so that the next trial goes elsewhere.
    """

    def __init__(self, coordinates: Coordinates, known: Points, losses: Floats, length: float) -> None:
        """Take trials: first those that have ended, with their losses (+inf where there is none), then running ones.

        `length`: how far one sees, as a share of the search space's diagonal.
        """
        self._coordinates = coordinates
        self._known = known
        self._length = length * math.sqrt(max(1, len(coordinates.parameters)))
        covariance = self._covariance(self._known, self._known)
        covariance[np.diag_indices_from(covariance)] += _NOISE
        self._factor = np.linalg.cholesky(covariance)
        scores, count = normal_scores(losses), len(losses)
        factor = self._factor[:count, :count]
        self._scores = solve_triangular(factor, scores, lower=True, check_finite=False)
        residuals = _NOISE * solve_triangular(factor, self._scores, trans=1, lower=True, check_finite=False)
        self._best = (scores - residuals).min()

    def log_improvement(self, candidates: Points) -> Floats:
        """Return the logarithm of each candidate's expected improvement on the best expected score of a trial."""
        covariance = self._covariance(self._known, candidates)
        rows = solve_triangular(self._factor, covariance, lower=True, check_finite=False)
        means = self._scores @ rows[: len(self._scores)]
        deviations = np.sqrt(np.maximum(1.0 - np.einsum("ij,ij->j", rows, rows), 1e-9))
        improvement: Floats = log_expected_improvement((self._best - means) / deviations) + np.log(deviations)
        return improvement

    def _covariance(self, some: Points, others: Points) -> Floats:
        # In single precision, which takes a fourth of the time; its errors are far below the noise.
        left, right = self._scaled(some), self._scaled(others)
        squares = np.einsum("ij,ij->i", left, left)[:, None] + np.einsum("ij,ij->i", right, right)
        squares -= 2.0 * (left @ right.T)
        apart = np.float32((_CHOICE / self._length) ** 2)
        for column, other in zip(some.categories.T, others.categories.T, strict=True):
            squares += (column[:, None] != other) * apart
        distances = np.sqrt(np.maximum(squares, 0.0, out=squares), out=squares)
        distances *= math.sqrt(5.0)
        covariance = distances / 3.0
        covariance += 1.0
        covariance *= distances
        covariance += 1.0
        covariance *= np.exp(np.negative(distances, out=distances), out=distances)
        result: Floats = covariance.astype(np.float64)
        return result

    def _scaled(self, points: Points) -> NDArray[np.float32]:
        """Return the numbers as shares of their range, in lengths; one that is inactive lies in the middle."""
        shares = np.clip(np.nan_to_num(points.numeric, nan=0.0) / self._coordinates.extent, -_FARTHEST, _FARTHEST)
        scaled: NDArray[np.float32] = (shares / self._length).astype(np.float32)
        return scaled


def normal_scores(losses: Floats) -> Floats:
    """Return what losses of these ranks are on average if they are normal; equal losses have equal scores."""
    _, places, counts = np.unique(losses, return_inverse=True, return_counts=True)
    ranks = np.cumsum(counts) - 0.5 * counts
    scores: Floats = ndtri(ranks / len(losses))[places]
    return scores


def log_expected_improvement(z: Floats) -> Floats:
    """Return the logarithm of E[max(z + e, 0)] for a standard normal e, also where the expectation is 0 to a float."""
    z = np.minimum(z, _MOST_DEVIATIONS)
    # phi(z) + z Phi(z), without phi(z).
    rest = 1.0 + z * math.sqrt(0.5 * math.pi) * erfcx(-z / math.sqrt(2.0))
    result: Floats = np.log(np.maximum(rest, 1e-300)) - 0.5 * z * z - 0.5 * math.log(2.0 * math.pi)
    return result
