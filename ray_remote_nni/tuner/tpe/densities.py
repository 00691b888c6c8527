"""hyperopt's slow inner loops, without the Python loop.

The densities give what hyperopt's give, to the bit. The samplers draw from the same distributions, but not
with the same random numbers: hyperopt draws candidates one at a time until enough lie inside the bounds.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ray_remote_nni.tuner.tpe.engine import GMM1_lpdf, LGMM1_lpdf, normal_cdf

Floats = NDArray[np.float64]

_EPS = 1e-12  # hyperopt's own


def fast_functions() -> Mapping[str, Callable[..., Any]]:
    """The replacements by node name: densities and samplers."""
    return {**fast_densities(), "GMM1": _gmm1, "LGMM1": _lgmm1}


def fast_densities() -> Mapping[str, Callable[..., Any]]:
    """The replacements whose results are hyperopt's, to the bit."""
    return {"GMM1_lpdf": _gmm1_lpdf, "LGMM1_lpdf": _lgmm1_lpdf}


def _gmm1_lpdf(
    samples: Floats, weights: Floats, mus: Floats, sigmas: Floats,
    low: float | None = None, high: float | None = None, q: float | None = None,
) -> Floats:  # fmt: skip
    """Log density of a mixture of normals, cut at the bounds."""
    if q is None or len(samples) == 0:
        return GMM1_lpdf(samples, weights, mus, sigmas, low, high, q)  # type: ignore[no-any-return]
    half = q / 2
    upper = samples + half if high is None else np.minimum(samples + half, high)
    lower = samples - half if low is None else np.maximum(samples - half, low)
    column = np.s_[:, None]
    mass = weights[column] * normal_cdf(upper, mus[column], sigmas[column])
    mass -= weights[column] * normal_cdf(lower, mus[column], sigmas[column])
    return np.log(mass.sum(axis=0)) - np.log(_accepted(weights, mus, sigmas, low, high))


def _lgmm1_lpdf(
    samples: Floats, weights: Floats, mus: Floats, sigmas: Floats,
    low: float | None = None, high: float | None = None, q: float | None = None,
) -> Floats:  # fmt: skip
    """Log density of a mixture of log-normals, cut at the bounds, which are logarithms."""
    if q is None or len(samples) == 0:
        return LGMM1_lpdf(samples, weights, mus, sigmas, low, high, q)  # type: ignore[no-any-return]
    half = q / 2
    upper = samples + half if high is None else np.minimum(samples + half, np.exp(high))
    lower = samples - half if low is None else np.maximum(samples - half, np.exp(low))
    lower = np.maximum(0, lower)
    column = np.s_[:, None]
    mass = weights[column] * _lognormal_cdf(upper, mus[column], sigmas[column])
    mass -= weights[column] * _lognormal_cdf(lower, mus[column], sigmas[column])
    return np.log(mass.sum(axis=0)) - np.log(_accepted(weights, mus, sigmas, low, high))


def _lognormal_cdf(x: Floats, mu: Floats, sigma: Floats) -> Floats:
    return normal_cdf(np.log(np.maximum(x, _EPS)), mu, sigma)  # type: ignore[no-any-return]


def _accepted(weights: Floats, mus: Floats, sigmas: Floats, low: float | None, high: float | None) -> float:
    if low is None and high is None:
        return 1.0
    return np.sum(weights * (normal_cdf(high, mus, sigmas) - normal_cdf(low, mus, sigmas)))  # type: ignore[no-any-return]


def _gmm1(
    weights: Floats, mus: Floats, sigmas: Floats,
    low: float | None = None, high: float | None = None, q: float | None = None,
    rng: Any = None, size: Any = (),
) -> Floats:  # fmt: skip
    """Draw from a mixture of normals, again wherever a draw lies outside the bounds."""
    draws = _draw(weights, mus, sigmas, low, high, rng, int(np.prod(size)))
    return draws if q is None else np.round(draws / q) * q


def _lgmm1(
    weights: Floats, mus: Floats, sigmas: Floats,
    low: float | None = None, high: float | None = None, q: float | None = None,
    rng: Any = None, size: Any = (),
) -> Floats:  # fmt: skip
    """Draw from a mixture of log-normals, again wherever a draw lies outside the bounds."""
    draws = np.exp(_draw(weights, mus, sigmas, low, high, rng, int(np.prod(size))))
    return draws if q is None else np.round(draws / q) * q


def _draw(
    weights: Floats, mus: Floats, sigmas: Floats,
    low: float | None, high: float | None, rng: np.random.Generator, count: int,
) -> Floats:  # fmt: skip
    below = -math.inf if low is None else low
    above = math.inf if high is None else high
    cumulative = np.cumsum(weights)
    cumulative /= cumulative[-1]
    found = np.empty(0)
    while len(found) < count:
        component = np.searchsorted(cumulative, rng.random(2 * count), side="right")
        draws = rng.normal(mus[component], sigmas[component])
        found = np.concatenate([found, draws[(below <= draws) & (draws < above)]])
    return found[:count]
