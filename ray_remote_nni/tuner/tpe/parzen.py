"""hyperopt's adaptive Parzen estimator (its adaptive_parzen_normal), for all parameters of a space at once.

Columns are parameters in units of their prior, which is then a normal kernel of mean 0 and width 1; rows are
trials, oldest first, NaN where a trial does not have the parameter. A kernel is as wide as the larger gap to
a neighbour, where the prior's mean counts as one, but not narrower than 1 / (n + 2) or 1 / 100 of the parameter's
extent, which in hyperopt is the prior's width (1), and here what Coordinates says.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ray_remote_nni.tuner.tpe.engine import linear_forgetting_weights

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


def bandwidths(numeric: Floats, extent: Floats | float = 1.0) -> Floats:
    """Return the width of each trial's kernel of each parameter; NaN where the trial does not have it."""
    kernels = _sorted_kernels(numeric, extent)
    widths = np.empty_like(kernels.widths)
    widths.put(kernels.places, kernels.widths)
    return widths[1:]


def estimators(
    numeric: Floats,
    prior_weight: float,
    linear_forgetting: int,
    scale: float = 1.0,
    extent: Floats | float = 1.0,
) -> list[tuple[Floats, Floats, Floats]]:
    """Return weights, means and widths of each parameter's mixture, by mean; `scale` is for the widths.

    The prior's own kernel is among them, at its own width.
    """
    kernels = _sorted_kernels(numeric, extent)
    weights = np.concatenate(
        [np.full((1, numeric.shape[1]), prior_weight), _weights_by_age(numeric, kernels.count, linear_forgetting)]
    )
    weights = weights.take(kernels.places)
    widths = np.where(kernels.order == 0, 1.0, kernels.widths * scale)
    found = []
    for column, count in enumerate(kernels.count):
        rows = np.s_[: count + 1, column]
        found.append((weights[rows] / weights[rows].sum(), kernels.means[rows], widths[rows]))
    return found


def _weights_by_age(numeric: Floats, count: Integers, linear_forgetting: int) -> Floats:
    """hyperopt's linear forgetting among the trials that have a parameter; those that do not weigh nothing."""
    weights = np.ones(numeric.shape)
    for number in np.unique(count[count > linear_forgetting]):
        columns = np.flatnonzero(count == number)
        present = ~np.isnan(numeric[:, columns])
        of_one = linear_forgetting_weights(int(number), linear_forgetting)
        weights[:, columns] = np.where(present, of_one[present.cumsum(axis=0) - 1], 0.0)
    return weights


@dataclass(frozen=True)
class _SortedKernels:
    count: Integers  # how many trials have the parameter
    order: Integers  # row 0 is the prior, row i the trial i - 1
    places: Integers  # where the kernels are in a flat array of these rows
    means: Floats
    widths: Floats


def _sorted_kernels(numeric: Floats, extent: Floats | float) -> _SortedKernels:
    columns = numeric.shape[1]
    count = len(numeric) - np.isnan(numeric).sum(axis=0)
    values = np.concatenate([np.zeros((1, columns)), numeric])
    order = values.argsort(axis=0, kind="stable")
    places = order * columns + np.arange(columns)
    means = values.take(places)
    gaps = means[1:] - means[:-1]
    edge = np.full((1, columns), np.nan)
    widths = np.fmax(np.concatenate([edge, gaps]), np.concatenate([gaps, edge]))
    np.maximum(widths, extent / np.minimum(100.0, count + 2.0), out=widths)
    np.minimum(widths, 1.0, out=widths)
    if (count == 1).any():
        widths = np.where(count == 1, np.where(np.isnan(means), np.nan, 0.5), widths)
    widths[order == 0] = 1.0
    return _SortedKernels(count, order, places, means, widths)
