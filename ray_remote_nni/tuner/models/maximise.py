"""Finds the points of the cube at which a score is largest: many draws, then small steps from the best of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from ray_remote_nni.tuner.models.cube import Cube, Floats

# Points scored at once: a Gaussian process needs a matrix of as many rows.
_BATCH = 4096
_SCALES = (0.2, 0.1, 0.05, 0.02, 0.01, 0.005, 0.002, 0.001)


def maximise(
    score: Callable[[Floats], Floats],
    cube: Cube,
    rng: np.random.Generator,
    draws: int,
    starts: int,
    known: Floats,
) -> Iterator[Floats]:
    """Yield points that trials can have, each once, the one with the highest score first.

    The best `starts` of `draws` random points, and those that are `known` to be good, are moved in ever smaller random
    steps for as long as that is better, all at once. The score need have no gradient.
    """
    drawn = cube.draw(draws, rng)
    drawn_values = _in_batches(score, drawn)
    first = np.argsort(-drawn_values, kind="stable")[:starts]
    best = np.concatenate([drawn[first], known])
    reached = np.concatenate([drawn_values[first], score(known)])
    for scale in _SCALES:
        # An axis with steps moves by one of them at least, and some axes stay where they are.
        widths = np.maximum(scale, cube.steps) * rng.standard_normal(best.shape)
        moves = rng.random(best.shape) < max(0.5, 1.0 / max(cube.dimensions, 1))
        tried = cube.snap(best + np.where(moves, widths, 0.0))
        found = _in_batches(score, tried)
        better = found > reached
        best[better], reached[better] = tried[better], found[better]
    points, values = np.concatenate([best, drawn]), np.concatenate([reached, drawn_values])
    yielded: set[bytes] = set()
    for place in np.argsort(-values, kind="stable"):
        key = points[place].tobytes()
        if key not in yielded:
            yielded.add(key)
            yield points[place]


def _in_batches(score: Callable[[Floats], Floats], points: Floats) -> Floats:
    parts = [score(points[first : first + _BATCH]) for first in range(0, len(points), _BATCH)]
    return np.concatenate(parts) if parts else np.empty(0)
