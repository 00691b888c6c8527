"""The trials so far as estimates of each parameter, in the terms of hyperopt's graph."""

from __future__ import annotations

from typing import Any

from ray_remote_nni.tuner.tpe.coordinates import Coordinates, Points
from ray_remote_nni.tuner.tpe.graph import Estimate
from ray_remote_nni.tuner.tpe.parzen import estimators


def estimates(
    coordinates: Coordinates,
    good: Points,
    bad: Points,
    prior_weight: float,
    linear_forgetting: int,
    scale: float,
) -> list[Estimate]:
    """Return an estimate per parameter; trials are given oldest first, `scale` is for the good ones' widths."""
    good_sides = _sides(coordinates, good, prior_weight, linear_forgetting, scale)
    bad_sides = _sides(coordinates, bad, prior_weight, linear_forgetting, 1.0)
    return [Estimate(good_sides[index], bad_sides[index]) for index in range(len(coordinates.parameters))]


def _sides(
    coordinates: Coordinates, points: Points, prior_weight: float, linear_forgetting: int, scale: float
) -> dict[int, Any]:
    sides: dict[int, Any] = {}
    mixtures = estimators(points.numeric, prior_weight, linear_forgetting, scale, coordinates.extent)
    for place, (index, (weights, means, widths)) in enumerate(zip(coordinates.numeric, mixtures, strict=True)):
        centre, width = coordinates.centre[place], coordinates.width[place]
        sides[index] = (weights, means * width + centre, widths * width)
    for place, index in enumerate(coordinates.categorical):
        column = points.categories[:, place]
        sides[index] = column[column >= 0]
    return sides
