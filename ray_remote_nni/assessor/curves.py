"""Families of learning curves, fitted to the beginning of one to tell its end."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.optimize import least_squares

Array = npt.NDArray[np.float64]

#: Fewer families than these that agree say nothing.
_LEAST_AGREEING = 4
#: A fit that needs more looks at its curve than this is not one.
_MOST_EVALUATIONS = 40


@dataclass(frozen=True)
class Family:
    """A parametric curve y(x), x = 1, 2, ...; `start` are the parameters at which a fit begins."""

    name: str
    curve: Callable[..., Any]
    start: tuple[float, ...]


@dataclass(frozen=True)
class Basis:
    """A curve that is a weighted sum of a constant and one function of x: its fit has a closed form."""

    name: str
    function: Callable[[Array], Array]


# Source of the families and of the parameters that their fits start with: Domhan et al. 2015, table 1, and its code.
BASES = (
    Basis("linear", lambda x: x),
    Basis("logarithmic", np.log),
    # x + 1: at x = 1 the logarithm is 0.
    Basis("inverse logarithm", lambda x: 1 / np.log(x + 1)),
)
FAMILIES = (
    Family("vapor pressure", lambda x, a, b, c: np.exp(a + b / x + c * np.log(x)), (-0.62, -0.47, 0.042)),
    Family("pow3", lambda x, c, a, e: c - a * x**-e, (0.84, 0.52, 0.5)),
    Family("pow4", lambda x, e, a, b, c: c - (a * x + b) ** -e, (0.5, 1.0, 1.0, 0.8)),
    Family("log power", lambda x, a, b, c: a / (1 + (x / np.exp(b)) ** c), (0.77, 2.98, -0.51)),
    Family("Hill", lambda x, t, e, k: t * x**e / (k**e + x**e), (0.77, 0.59, 2.46)),
    Family("exp4", lambda x, c, a, b, e: c - np.exp(-a * x**e + b), (0.7, 0.8, -0.8, 0.3)),
    Family("MMF", lambda x, a, b, k, d: a - (a - b) / (1 + (k * x) ** d), (0.7, 0.1, 0.1, 1.5)),
    Family("Weibull", lambda x, a, b, k, d: a - (a - b) * np.exp(-((k * x) ** d)), (0.7, 0.1, 0.1, 1.0)),
    Family("Janoschek", lambda x, a, b, k, d: a - (a - b) * np.exp(-k * x**d), (0.73, 0.07, 0.355, 0.46)),
)


def predict(history: Sequence[float], target: int) -> float | None:
    """Return the expected `target`-th value of a curve that begins with `history`; None where the families disagree.

    The mean over the families that fit and that agree with their median.
    """
    y = np.asarray(history, dtype=float)
    if len(y) < 2 or not np.isfinite(y).all():
        return None
    x = np.arange(1.0, len(y) + 1)
    # Their starting points are made for accuracies: between 0 and 1.
    scale = float(np.abs(y).max()) or 1.0
    ends = []
    with np.errstate(all="ignore"):
        for basis in BASES:
            ends.append(_end_of_basis(basis, x, y / scale, target))
        for family in FAMILIES:
            ends.append(_end_of_family(family, x, y / scale, target))
    found = np.array([end for end in ends if end is not None and np.isfinite(end)])
    if len(found) < _LEAST_AGREEING:
        return None
    # Robust: one family that shoots off must not make room for itself.
    distances = np.abs(found - np.median(found))
    agreeing = found[distances <= max(3 * float(np.median(distances)), 1e-3)]
    return float(agreeing.mean()) * scale if len(agreeing) >= _LEAST_AGREEING else None


def _end_of_basis(basis: Basis, x: Array, y: Array, target: int) -> float | None:
    columns = np.column_stack([np.ones_like(x), basis.function(x)])
    weights = np.linalg.lstsq(columns, y, rcond=None)[0]
    if not _fits(columns @ weights - y, y):
        return None
    return float(weights[0] + weights[1] * basis.function(np.array([float(target)]))[0])


def _end_of_family(family: Family, x: Array, y: Array, target: int) -> float | None:
    if len(x) < len(family.start):
        return None

    def residuals(parameters: Array) -> Array:
        found: Array = np.nan_to_num(family.curve(x, *parameters) - y, nan=1e6, posinf=1e6, neginf=-1e6)
        return found

    try:
        fit = least_squares(residuals, family.start, method="lm", max_nfev=_MOST_EVALUATIONS * len(family.start))
    except (ValueError, FloatingPointError):
        return None
    if not _fits(fit.fun, y):
        return None
    return float(family.curve(float(target), *fit.x))


def _fits(residuals: Array, y: Array) -> bool:
    """Tell whether a curve explains more than a horizontal line at its mean would, or the curve is such a line."""
    spread = float(((y - y.mean()) ** 2).sum())
    return float((residuals**2).sum()) <= max(spread, 1e-12)
