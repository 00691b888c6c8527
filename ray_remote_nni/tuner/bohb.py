"""NNI's BOHB: Hyperband whose brackets start with configurations that a model of the earlier ones prefers.

The model is of the largest budget with which enough trials have ended: a density of the good configurations and one
of the others. Of some points around the good ones, that with the largest ratio of the two is taken.
Source: Falkner et al. 2018, arXiv 1807.01774; NNI 3.0, nni/algorithms/hpo/bohb_advisor. Other than in NNI, failed
trials count as bad ones, and results belong to the model of their trial's budget.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ray_remote_nni.errors import UsageError
from ray_remote_nni.tuner.arguments import Arguments, integer, positive, read_arguments, real
from ray_remote_nni.tuner.brackets import Run, plan_brackets
from ray_remote_nni.tuner.hyperband import Hyperband
from ray_remote_nni.tuner.kernel_density import KernelDensity, Matrix, impute
from ray_remote_nni.tuner.random_search import RandomSearch
from ray_remote_nni.tuner.space import Choice, Numbers, SearchSpace
from ray_remote_nni.tuner.space.quantile import fraction, quantile
from ray_remote_nni.tuner.strategy import StrategyTuner

# Below this, densities are too small to be compared.
_LEAST_LOG_DENSITY = math.log(1e-32)
# The quantiles 0 and 1 of a normal distribution are infinite.
_EDGE = 1e-9


class DensityModels:
    """A Sampler by two densities, of good trials and of bad ones."""

    def __init__(self, space: SearchSpace, arguments: Arguments) -> None:
        """Start without a model; `arguments` are NNI's, from `min_points_in_model` to `min_bandwidth`."""
        self._parameters = space.parameters
        domains = [parameter.domain for parameter in self._parameters]
        self._levels = np.array([domain.size if isinstance(domain, Choice) else 0 for domain in domains], np.int64)
        self._draws = RandomSearch(space)
        # With no more points than dimensions, a density says nothing.
        self._least_points = max(arguments["min_points_in_model"] or 0, len(domains) + 1)
        self._arguments = arguments
        self._points: dict[float, list[NDArray[np.float64]]] = defaultdict(list)
        self._losses: dict[float, list[float]] = defaultdict(list)
        self._models: dict[float, tuple[KernelDensity, KernelDensity] | None] = {}

    def proposals(self, rng: np.random.Generator) -> Iterator[Numbers]:
        """Yield what the model prefers, best first; draws, where there is none, and `random_fraction` of the time."""
        drawn = rng.random() < self._arguments["random_fraction"]
        model = self._largest_model()
        if model is not None and not drawn:
            good, bad = model
            points = good.sample(self._arguments["num_samples"], self._arguments["bandwidth_factor"], rng)
            is_bad, is_good = (np.maximum(each.log_density(points), _LEAST_LOG_DENSITY) for each in (bad, good))
            for place in np.argsort(is_bad - is_good, kind="stable"):
                yield self._numbers(points[place])
        yield from self._draws.proposals(rng)

    def learn(self, numbers: Numbers, budget: float, loss: float | None) -> None:
        """Take the end of a trial with a budget; a failure is worse than all else."""
        self._points[budget].append(self._point(numbers))
        self._losses[budget].append(math.inf if loss is None else loss)
        self._models.pop(budget, None)

    def _largest_model(self) -> tuple[KernelDensity, KernelDensity] | None:
        for budget in sorted(self._points, reverse=True):
            if budget not in self._models:
                self._models[budget] = self._model(budget)
            if self._models[budget] is not None:
                return self._models[budget]
        return None

    def _model(self, budget: float) -> tuple[KernelDensity, KernelDensity] | None:
        count, percent = len(self._points[budget]), self._arguments["top_n_percent"]
        good = max(self._least_points, percent * count // 100)
        bad = max(self._least_points, (100 - percent) * count // 100)
        if len(self._levels) == 0 or count - good <= len(self._levels):
            return None
        points = np.array(self._points[budget])[np.argsort(self._losses[budget], kind="stable")]
        # A model must depend on nothing but its trials.
        rng = np.random.default_rng(count)
        return self._density(points[:good], rng), self._density(points[good : good + bad], rng)

    def _density(self, points: Matrix, rng: np.random.Generator) -> KernelDensity:
        return KernelDensity(impute(points, self._levels, rng), self._levels, self._arguments["min_bandwidth"])

    def _point(self, numbers: Numbers) -> NDArray[np.float64]:
        return np.array(
            [
                number if levels or math.isnan(number) else fraction(parameter.domain, number)
                for parameter, number, levels in zip(self._parameters, numbers, self._levels, strict=True)
            ]
        )

    def _numbers(self, point: NDArray[np.float64]) -> Numbers:
        return [
            float(value) if levels else quantile(parameter.domain, min(max(float(value), _EDGE), 1 - _EDGE))
            for parameter, value, levels in zip(self._parameters, point, self._levels, strict=True)
        ]


def create_bohb(
    space: SearchSpace, class_args: Mapping[str, Any], seed: int | None, avoid_duplicates: bool
) -> StrategyTuner[Run]:
    """Make NNI's BOHB: budgets from `min_budget` to `max_budget`. Raises UsageError."""
    own = {
        "min_budget": (integer(1), 1),
        "max_budget": (integer(1), 3),
        "eta": (integer(2), 3),
        "min_points_in_model": (integer(0), None),
        "top_n_percent": (integer(1, 99), 15),
        "num_samples": (integer(1), 64),
        "random_fraction": (real(0, 1), 1 / 3),
        "bandwidth_factor": (positive(), 3.0),
        "min_bandwidth": (positive(), 1e-3),
    }
    arguments = read_arguments("BOHB", class_args, seed, own=own)
    least, most = arguments["min_budget"], arguments["max_budget"]
    if most < least:
        raise UsageError(f"tuner BOHB: max_budget is {most}; accepted: at least min_budget, which is {least}.")
    plans = plan_brackets(least, most, arguments["eta"])
    strategy = Hyperband(space, DensityModels(space, arguments), plans, "ended", avoid_duplicates)
    return StrategyTuner(strategy, arguments.seed, arguments.maximize)
