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
    return _log_mass_of_steps(samples, q, low, high, lambda edges: normal_cdf(edges, mus, sigmas) @ weights)


def log_mixture_log_density(
    samples: Floats, weights: Floats, mus: Floats, sigmas: Floats,
    low: float | None = None, high: float | None = None, q: float | None = None,
) -> Floats:  # fmt: skip
    """Log density of a mixture of log-normals, up to a constant; `low` and `high` are logarithms."""
    if q is None:
        logs = np.log(samples)
        return _log_density(logs, weights, mus, sigmas) - logs
    bounds = (0.0 if low is None else math.exp(low), None if high is None else math.exp(high))

    def below(edges: Floats) -> Floats:
        return normal_cdf(np.log(np.maximum(edges, _EPS)), mus, sigmas) @ weights  # type: ignore[no-any-return]

    return _log_mass_of_steps(samples, q, *bounds, below)


def _log_density(samples: Floats, weights: Floats, mus: Floats, sigmas: Floats) -> Floats:
    distances = samples[:, None] - mus
    distances *= 1.0 / sigmas
    distances *= distances
    distances *= -0.5
    density = np.exp(distances, out=distances) @ (weights / sigmas)
    return np.log(np.maximum(density, _SMALLEST))


def _log_mass_of_steps(
    samples: Floats, q: float, low: float | None, high: float | None, below: Callable[[Floats], Floats]
) -> Floats:
    """Log of the mixture's mass between half a step below and half a step above; each value once only."""
    values, place = np.unique(samples, return_inverse=True)
    upper = values + q / 2 if high is None else np.minimum(values + q / 2, high)
    lower = values - q / 2 if low is None else np.maximum(values - q / 2, low)
    mass = below(upper[:, None]) - below(lower[:, None])
    logs: Floats = np.log(np.maximum(mass, _SMALLEST))[place]
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
    found: list[Floats] = []
    missing = count
    while missing > 0:
        component = cumulative[:-1].searchsorted(rng.random(2 * missing) * cumulative[-1], side="right")
        draws = rng.standard_normal(2 * missing) * sigmas[component] + mus[component]
        inside = draws[(draws >= least) & (draws < most)]
        found.append(inside[:missing])
        missing -= len(inside)
    return found[0] if len(found) == 1 else np.concatenate(found) if found else np.empty(0)
