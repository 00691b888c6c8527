"""Parzen mixtures over whole configurations: one kernel per trial, and one for the search space itself.

hyperopt's densities are products of one mixture per parameter, so they cannot see that two parameters
belong together. Here a trial's kernels of all parameters form one component (Falkner 2018, BOHB; Watanabe
2023, arXiv 2304.11127). Bandwidths and weights are hyperopt's own formulas, for all parameters at once.
A parameter that a trial does not have (another branch of a nested choice was taken) has the prior's kernel
there, which lets one model cover all branches.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

from ray_remote_nni.tuner.tpe.coordinates import Coordinates, Points
from ray_remote_nni.tuner.tpe.parzen import bandwidths

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

_TWO_PI_ROOT = math.sqrt(2.0 * math.pi)


@dataclass(frozen=True)
class Mixture:
    """A density over configurations; the last component is the search space's own prior."""

    coordinates: Coordinates
    log_weights: Floats  # (components,)
    means: Floats  # (components, numeric parameters)
    widths: Floats
    masses: Floats  # what of a kernel lies inside the bounds
    categories: Integers  # (components, choices); -1: the prior's kernel
    extra: float  # what every value of a choice weighs in a component's kernel, beside 1 for its own

    @classmethod
    def around(cls, coordinates: Coordinates, points: Points, weights: Floats, scale: float) -> Mixture:
        """Place a component on each point; `weights` has one more for the prior, `scale` is for bandwidths."""
        widths = np.maximum(bandwidths(points.numeric, coordinates.extent) * scale, coordinates.least_width)
        missing = np.isnan(points.numeric)
        columns = points.numeric.shape[1]
        means = np.concatenate([np.where(missing, 0.0, points.numeric), np.zeros((1, columns))])
        widths = np.concatenate([np.where(missing, 1.0, widths), np.ones((1, columns))])
        masses = ndtr((coordinates.half - means) / widths) - ndtr((-coordinates.half - means) / widths)
        prior = np.full((1, points.categories.shape[1]), -1)
        return cls(
            coordinates,
            np.log(weights / weights.sum()),
            means,
            widths,
            masses,
            np.concatenate([points.categories, prior]),
            1.0 / len(weights),
        )

    def sample(self, count: int, rng: np.random.Generator) -> Points:
        """Draw configurations; each takes all its parameters from one component."""
        cumulative = np.cumsum(np.exp(self.log_weights))
        components = np.searchsorted(cumulative / cumulative[-1], rng.random(count), side="right")
        means, widths = self.means[components], self.widths[components]
        start = ndtr((-self.coordinates.half - means) / widths)
        inside = start + rng.random(means.shape) * self.masses[components]
        numeric = means + widths * ndtri(np.clip(inside, 1e-15, 1.0 - 1e-15))
        numeric = np.clip(numeric, -self.coordinates.half, self.coordinates.half)
        categories = self.categories[components]
        sizes = np.array(self.coordinates.sizes, np.int64)
        # A component's own value with what it weighs beyond the others, else any value.
        own = rng.random(categories.shape) * (1.0 + sizes * self.extra) < 1.0
        anything = rng.integers(0, np.maximum(sizes, 1), categories.shape)
        categories = np.where(own & (categories >= 0), categories, anything)
        return self.coordinates.deactivate(Points(self.coordinates.on_grid(numeric), categories))

    def log_density(self, points: Points) -> Floats:
        """Return the log density of each point; parameters that are inactive there count for nothing."""
        logs = self._log_kernels(points.numeric)
        logs += self.log_weights
        for place, size in enumerate(self.coordinates.sizes):
            self._add_choice(logs, points.categories[:, place], self.categories[:, place], size)
        highest = logs.max(axis=1)
        logs -= highest[:, None]
        # The exponentials are most of the work, and a fourth of it in single precision, which is enough to compare.
        scaled = logs.astype(np.float32)
        density = np.exp(scaled, out=scaled).sum(axis=1)
        result: Floats = np.log(density.astype(np.float64)) + highest
        return result

    def _log_kernels(self, numeric: Floats) -> Floats:
        """Return the sum of the log kernels of all numeric parameters, for each point and component.

        A kernel's exponent is -(x - m)^2 / 2 s^2 = x^2 a + x b + c, so that the sum is a matrix product.
        """
        precision = 1.0 / (self.widths * self.widths)
        linear = precision * self.means
        constant = -0.5 * linear * self.means - np.log(self.masses * self.widths * _TWO_PI_ROOT)
        precision *= -0.5
        active = ~np.isnan(numeric)
        if active.all():
            terms = np.concatenate([precision, linear], axis=1).T
            logs: Floats = np.concatenate([numeric * numeric, numeric], axis=1) @ terms
            logs += constant.sum(axis=1)
            return logs
        values = np.where(active, numeric, 0.0)
        terms = np.concatenate([precision, linear, constant], axis=1).T
        logs = np.concatenate([values * values, values, active], axis=1) @ terms
        return logs

    def _add_choice(self, logs: Floats, found: Integers, own: Integers, size: int) -> None:
        total = 1.0 + size * self.extra
        other, hit = math.log(self.extra / total), math.log((1.0 + self.extra) / total)
        kernel: Floats = (found[:, None] == own) * (hit - other)
        kernel += np.where(own < 0, -math.log(size), other)
        inactive = found < 0
        if inactive.any():
            kernel[inactive] = 0.0
        logs += kernel
