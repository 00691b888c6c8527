"""One density over all parameters at once: a product of kernels around each of some configurations.

Numbers lie in [0, 1] and have normal kernels; choices are indices and have Aitchison and Aitken's kernel, which gives
the other values the same small share each. Bandwidths are the normal reference rule's.
Source: Falkner et al. 2018, arXiv 1807.01774, and its program HpBandSter, of which NNI's BOHB is a copy.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp, ndtr, ndtri

Matrix = NDArray[np.float64]


class KernelDensity:
    """The density of some configurations, one a row."""

    def __init__(self, rows: Matrix, levels: NDArray[np.int64], least_bandwidth: float) -> None:
        """Take `rows` [configurations, parameters]; `levels` has the size of each choice, 0 for a number."""
        count, dimensions = rows.shape
        self._rows = rows
        self._levels = levels
        self._bandwidths = np.maximum(1.06 * rows.std(axis=0) * count ** (-1 / (4 + dimensions)), least_bandwidth)
        # At this bandwidth, all values of a choice have the same share.
        flat = (levels - 1) / np.maximum(levels, 1)
        self._bandwidths = np.where(levels > 0, np.minimum(self._bandwidths, flat), self._bandwidths)

    def log_density(self, points: Matrix) -> Matrix:
        """Return the logarithm of the density at each of `points` [points, parameters]."""
        logs = np.zeros((len(points), len(self._rows)))
        for number, (levels, width) in enumerate(zip(self._levels, self._bandwidths, strict=True)):
            distances = points[:, number, None] - self._rows[None, :, number]
            if levels == 0:
                logs -= 0.5 * (distances / width) ** 2 + np.log(width * np.sqrt(2 * np.pi))
            elif levels > 1:
                logs += np.where(distances == 0, np.log1p(-width), np.log(width / (levels - 1)))
        densities: Matrix = logsumexp(logs, axis=1) - np.log(len(self._rows))
        return densities

    def sample(self, count: int, widening: float, rng: np.random.Generator) -> Matrix:
        """Draw `count` points around the rows; numbers from kernels that are `widening` times as wide."""
        centres = self._rows[rng.integers(len(self._rows), size=count)]
        uniform = rng.random(centres.shape)
        widths = np.where(self._levels > 0, 1.0, self._bandwidths * widening)
        low, high = ndtr(-centres / widths), ndtr((1 - centres) / widths)
        numbers = np.clip(centres + widths * ndtri(low + uniform * (high - low)), 0.0, 1.0)
        others = rng.integers(np.maximum(self._levels, 1), size=centres.shape)
        choices = np.where(uniform < self._bandwidths, others, centres)
        return np.where(self._levels > 0, choices, numbers)


def impute(rows: Matrix, levels: NDArray[np.int64], rng: np.random.Generator) -> Matrix:
    """Fill in what is NaN in `rows`, for it hangs on another choice: with another row's values, else any."""
    filled = rows.copy()
    for row in filled:
        while (missing := np.flatnonzero(np.isnan(row))).size:
            first = missing[0]
            donors = np.flatnonzero(~np.isnan(rows[:, first]))
            if donors.size:
                row[missing] = rows[rng.choice(donors), missing]
            else:
                row[first] = rng.integers(levels[first]) if levels[first] else rng.random()
    return filled
