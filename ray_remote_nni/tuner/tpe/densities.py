"""hyperopt's slow inner loops, without the Python loop.

The densities are hyperopt's up to a factor that is the same for all candidates, which their comparison does
not see. The samplers draw from hyperopt's distributions, but not with the same random numbers: hyperopt
draws one candidate at a time until enough of them lie inside the bounds.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ray_remote_nni.tuner.tpe.engine import normal_cdf

Floats = NDArray[np.float64]

_SMALLEST = 1e-300  # so that a density of zero has a logarithm
_EPS = 1e-12  # what hyperopt takes for a logarithm's zero


def fast_functions() -> Mapping[str, Callable[..., Any]]:
    """The replacements for hyperopt's functions, by node name."""
    return {
        "GMM1": mixture_sample,
        "GMM1_lpdf": mixture_log_density,
        "LGMM1": log_mixture_sample,
        "LGMM1_lpdf": log_mixture_log_density,
    }


def mixture_log_density(
    samples: Floats, weights: Floats, mus: Floats, sigmas: Floats,
    low: float | None = None, high: float | None = None, q: float | None = None,
) -> Floats:  # fmt: skip
    """Log density of a mixture of normals, up to a constant; of the mass of a step where there is one."""
    if q is None:
        return _log_density(samples, weights, mus, sigmas)
    least, most = -math.inf if low is None else low, math.inf if high is None else high
    weights, mus, sigmas = _without_repeats(weights, mus, sigmas)

    def below(edges: Floats) -> Floats:
        found: Floats = normal_cdf(np.clip(edges, least, most)[:, None], mus, sigmas) @ weights
        return found

    return _log_mass_of_steps(samples, q, below)


def log_mixture_log_density(
    samples: Floats, weights: Floats, mus: Floats, sigmas: Floats,
    low: float | None = None, high: float | None = None, q: float | None = None,
) -> Floats:  # fmt: skip
    """Log density of a mixture of log-normals, up to a constant; `low` and `high` are logarithms."""
    if q is None:
        logs = np.log(samples)
        return _log_density(logs, weights, mus, sigmas) - logs
    least, most = _EPS if low is None else math.exp(low), math.inf if high is None else math.exp(high)
    weights, mus, sigmas = _without_repeats(weights, mus, sigmas)

    def below(edges: Floats) -> Floats:
        logs = np.log(np.clip(edges, max(least, _EPS), most))
        found: Floats = normal_cdf(logs[:, None], mus, sigmas) @ weights
        return found

    return _log_mass_of_steps(samples, q, below)


def _log_density(samples: Floats, weights: Floats, mus: Floats, sigmas: Floats) -> Floats:
    distances = samples[:, None] - mus
    distances *= 1.0 / sigmas
    # The exponentials are most of the work, and a fourth of it in single precision, which is enough to compare.
    exponents = distances.astype(np.float32)
    exponents *= exponents
    exponents *= -0.5
    density = np.exp(exponents, out=exponents) @ (weights / sigmas).astype(np.float32)
    return np.log(np.maximum(density.astype(np.float64), _SMALLEST))


def _without_repeats(weights: Floats, mus: Floats, sigmas: Floats) -> tuple[Floats, Floats, Floats]:
    """Join equal kernels that follow each other: 300 trials of a parameter with 20 values have some 60 kernels."""
    new = np.ones(len(mus), bool)
    new[1:] = (mus[1:] != mus[:-1]) | (sigmas[1:] != sigmas[:-1])
    first = np.flatnonzero(new)
    return np.add.reduceat(weights, first), mus[first], sigmas[first]


def _log_mass_of_steps(samples: Floats, q: float, below: Callable[[Floats], Floats]) -> Floats:
    """Log of the mass between half a step below a sample and half a step above; `below` gives that up to an edge."""
    if len(samples) == 0:
        return samples
    steps = np.rint(samples / q)
    first = steps.min()
    span = int(steps.max() - first) + 1
    if span <= len(samples):  # neighbours share an edge
        mass = np.diff(below((first - 0.5 + np.arange(span + 1)) * q))[(steps - first).astype(np.int64)]
    else:
        mass = below((steps + 0.5) * q) - below((steps - 0.5) * q)
    logs: Floats = np.log(np.maximum(mass, _SMALLEST))
    return logs


def mixture_sample(
    weights: Floats, mus: Floats, sigmas: Floats,
    low: float | None = None, high: float | None = None, q: float | None = None,
    rng: Any = None, size: Any = (),
) -> Floats:  # fmt: skip
    """Draw from a mixture of normals, again wherever a draw lies outside the bounds."""
    draws = _draw(weights, mus, sigmas, low, high, rng, int(np.prod(size)))
    return draws if q is None else np.round(draws / q) * q


def log_mixture_sample(
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
    cumulative = weights.cumsum()
    least, most = -math.inf if low is None else low, math.inf if high is None else high
    found = np.empty(0)
    while len(found) < count:
        component = cumulative[:-1].searchsorted(rng.random(2 * count) * cumulative[-1], side="right")
        draws = rng.standard_normal(2 * count)
        draws *= sigmas[component]
        draws += mus[component]
        inside = draws[(draws >= least) & (draws < most)]
        found = np.concatenate([found, inside]) if len(found) else inside
    return found[:count]
