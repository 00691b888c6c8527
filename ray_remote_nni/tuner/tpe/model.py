"""What to try next, given the trials so far: hyperopt's own TPE half of the time, else a joint one.

Both compare the density of the good trials with that of the bad ones, where running and failed trials count
as bad. hyperopt's takes every parameter by itself; the joint one takes whole configurations, and so sees that
parameters belong together, but needs more trials in many dimensions. Mostly the joint one's candidates are
compared by the improvement to expect from them instead (see `expectation`), which goes by the losses of all
trials. Each of the three alone is worse than all in turn. The measurements behind the numbers below are in
benchmarks/tuner.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from ray_remote_nni.tuner.space import Numbers, SearchSpace
from ray_remote_nni.tuner.tpe.coordinates import Coordinates, Points
from ray_remote_nni.tuner.tpe.engine import linear_forgetting_weights
from ray_remote_nni.tuner.tpe.estimates import estimates
from ray_remote_nni.tuner.tpe.expectation import Expectation
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
# Without any by the ratio, a search one trial at a time sees too little of the space. A share that falls with the
# number of trials is no better, after 400 either.
_EXPECTATION_SHARE = 0.7
# How many trials the expectation goes by: its time grows with the cube of that.
_MOST_ENDED = 150
_MOST_RUNNING = 50
# How far the expectation sees, as a share of the space's diagonal; drawn for each suggestion.
_LENGTHS = (0.2, 0.5)
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
        if rng.random() < _GRAPH_SHARE:
            yield self._from_graph(history, split, _scale(rng), rng)
        good = self._coordinates.points(history.numbers[split.good])
        worth = self._worth(history, split, rng)
        yielded: set[bytes] = set()
        for _ in range(attempts):
            density = Mixture.around(self._coordinates, good, self._good_weights(len(good.numeric)), _scale(rng))
            candidates = density.sample(self._settings.n_ei_candidates or _JOINT_CANDIDATES, rng)
            for place in np.argsort(-worth(density, candidates), kind="stable"):
                candidate = int(place)
                key = candidates.key(candidate)
                if key not in yielded:
                    yielded.add(key)
                    yield self._coordinates.numbers(candidates, candidate)

    def _from_graph(self, history: History, split: Split, scale: float, rng: np.random.Generator) -> Numbers:
        settings = self._settings
        good = self._coordinates.points(history.numbers[split.good])
        bad = self._coordinates.points(history.numbers[split.bad])
        return self._graph.suggest(
            estimates(self._coordinates, good, bad, settings.prior_weight, settings.linear_forgetting, scale),
            settings.n_ei_candidates or _GRAPH_CANDIDATES,
            rng,
        )

    def _worth(self, history: History, split: Split, rng: np.random.Generator) -> Callable[[Mixture, Points], Floats]:
        """Return what says how promising the candidates of a density are.

        That is mostly the improvement to expect from them, else the ratio of that density to the one of the bad
        trials. It is always the ratio before there is a good trial, and where the settings say what running trials
        count as.
        """
        if self._settings.liar is None and len(split.good) and rng.random() < _EXPECTATION_SHARE:
            evidence = history.evidence(split, _MOST_ENDED, _MOST_RUNNING)
            known = self._coordinates.points(history.numbers[np.concatenate([evidence.ended, evidence.running])])
            length = _LENGTHS[int(rng.integers(len(_LENGTHS)))]
            expectation = Expectation(self._coordinates, known, evidence.losses, length)
            return lambda _, candidates: expectation.log_improvement(candidates)
        bad = self._coordinates.points(history.numbers[split.bad])
        bad_density = Mixture.around(self._coordinates, bad, self._bad_weights(len(bad.numeric)), 1.0)
        return lambda density, candidates: density.log_density(candidates) - bad_density.log_density(candidates)

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
