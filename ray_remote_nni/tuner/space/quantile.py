"""From the unit interval to the values of a domain, and back: by probability."""

from __future__ import annotations

import math

from scipy.special import ndtr, ndtri

from ray_remote_nni.tuner.space.domains import Choice, Domain, Integer, Normal, Uniform


def quantile(domain: Domain, fraction: float) -> float:
    """Return the number below which `fraction` of the domain's probability lies, before any rounding to a step."""
    if isinstance(domain, (Choice, Integer)):
        return domain.level(min(int(fraction * domain.size), domain.size - 1))
    if isinstance(domain, Uniform):
        low, high = _bounds(domain)
        value = low + (high - low) * fraction
    else:
        assert isinstance(domain, Normal)
        value = domain.mu + domain.sigma * float(ndtri(fraction))
    return math.exp(value) if domain.log else value


def fraction(domain: Domain, number: float) -> float:
    """Return what `quantile` makes the number of; the middle of its share for a choice or an integer."""
    if isinstance(domain, Choice):
        return (number + 0.5) / domain.size
    if isinstance(domain, Integer):
        return (number - domain.low + 0.5) / domain.size
    assert isinstance(domain, (Uniform, Normal))
    value = math.log(max(number, 1e-300)) if domain.log else number
    if isinstance(domain, Normal):
        return float(ndtr((value - domain.mu) / domain.sigma))
    low, high = _bounds(domain)
    return min(max((value - low) / (high - low), 0.0), 1.0)


def _bounds(domain: Uniform) -> tuple[float, float]:
    return (math.log(domain.low), math.log(domain.high)) if domain.log else (domain.low, domain.high)
