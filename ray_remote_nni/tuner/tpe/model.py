"""What to try next, given the trials so far: hyperopt's own TPE half of the time, else a joint one.

Both compare the density of the good trials with that of the bad ones, where running and failed trials count
as bad. hyperopt's takes every parameter by itself; the joint one takes whole configurations, and so sees that
parameters belong together, but needs more trials in many dimensions. Each alone is worse than the two in
turn. The measurements behind the numbers below are in benchmarks/tuner.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from ray_remote_nni.tuner.space import Numbers, SearchSpace
from ray_remote_nni.tuner.tpe.coordinates import Coordinates, Points
from ray_remote_nni.tuner.tpe.engine import linear_forgetting_weights
from ray_remote_nni.tuner.tpe.estimates import estimates
from ray_remote_nni.tuner.tpe.graph import HyperoptGraph
from ray_remote_nni.tuner.tpe.history import History, Split
from ray_remote_nni.tuner.tpe.mixture import Mixture
from ray_remote_nni.tuner.tpe.settings import TpeSettings

Floats = NDArray[np.float64]

# A tenth of the trials is good, as in Watanabe 2023 (arXiv 2304.11127), instead of a quarter of a square root.
_GOOD_SHARE = 0.1
# Older bad trials are left out: the time of a suggestion stays the same, and its quality too.
_MOST_BAD = 300
_GRAPH_SHARE = 0.5
_GRAPH_CANDIDATES = 24  # hyperopt's own number
_JOINT_CANDIDATES = 64
# Kernels of good trials are narrower than hyperopt's; how much is drawn for each suggestion.
_SCALES = (0.5, 0.25)


class Model:
    """Suggestions for one search space."""

    def __init__(self, space: SearchSpace, settings: TpeSettings) -> None:
        """Compile hyperopt's graph for the space."""
        self._settings = settings
        self._graph = HyperoptGraph(space, settings.prior_weight, settings.linear_forgetting)
        self._coordinates = Coordinates(space)

    def draw(self, rng: np.random.Generator) -> Numbers:
        """Draw a configuration from the search space itself."""
        return self._graph.draw(rng)

    def suggestions(self, history: History, rng: np.random.Generator, attempts: int) -> Iterator[Numbers]:
        """Yield configurations, the preferred one first.

        hyperopt's own suggestion hardly changes until a result comes in, so after it come joint ones, from as
        many rounds of candidates as there are `attempts`.
        """
        split = self._split(history)
        good = self._coordinates.points(history.numbers[split.good])
        bad = self._coordinates.points(history.numbers[split.bad])
        if rng.random() < _GRAPH_SHARE:
            yield self._from_graph(good, bad, _scale(rng), rng)
        bad_density = Mixture.around(self._coordinates, bad, self._bad_weights(len(bad.numeric)), 1.0)
        yielded: set[bytes] = set()
        for _ in range(attempts):
            candidates, order = self._jointly(good, bad_density, rng)
            for candidate in order:
                key = candidates.key(candidate)
                if key not in yielded:
                    yielded.add(key)
                    yield self._coordinates.numbers(candidates, candidate)

    def _from_graph(self, good: Points, bad: Points, scale: float, rng: np.random.Generator) -> Numbers:
        settings = self._settings
        return self._graph.suggest(
            estimates(self._coordinates, good, bad, settings.prior_weight, settings.linear_forgetting, scale),
            settings.n_ei_candidates or _GRAPH_CANDIDATES,
            rng,
        )

    def _jointly(self, good: Points, bad_density: Mixture, rng: np.random.Generator) -> tuple[Points, list[int]]:
        """Draw candidates from the joint density of the good trials; order them by its ratio to that of the bad."""
        weights = self._good_weights(len(good.numeric))
        good_density = Mixture.around(self._coordinates, good, weights, _scale(rng))
        candidates = good_density.sample(self._settings.n_ei_candidates or _JOINT_CANDIDATES, rng)
        ratio = good_density.log_density(candidates) - bad_density.log_density(candidates)
        return candidates, [int(place) for place in np.argsort(-ratio, kind="stable")]

    def _split(self, history: History) -> Split:
        settings = self._settings
        trials = history.valued
        if settings.liar in ("best", "worst", "mean"):
            trials += history.running
        share = _GOOD_SHARE * trials if settings.gamma is None else settings.gamma * math.sqrt(trials)
        n_good = min(math.ceil(share), settings.linear_forgetting)
        if settings.liar is None:
            return history.split(n_good, _MOST_BAD)
        lies = {"best": history.best_loss, "worst": history.worst_loss, "mean": history.mean_loss, "ignore": None}
        return history.split_with_lies(n_good, _MOST_BAD, lies[settings.liar])

    def _good_weights(self, count: int) -> Floats:
        """Better trials count more: by the logarithm of their rank, with a mean of 1; the prior comes last."""
        weights = np.log(count + 0.5) - np.log(np.arange(1, count + 1))
        return np.append(weights * (count / max(weights.sum(), 1e-9)), self._settings.prior_weight)

    def _bad_weights(self, count: int) -> Floats:
        """Older trials count less, as in hyperopt; the prior comes last."""
        by_age = linear_forgetting_weights(count, self._settings.linear_forgetting)
        return np.append(by_age, self._settings.prior_weight)


def _scale(rng: np.random.Generator) -> float:
    return _SCALES[int(rng.integers(len(_SCALES)))]
