"""hyperopt's own TPE of a search space: its prior and its posterior, compiled once.

The posterior treats every parameter by itself: candidates from the density of the good trials, and of these
the one with the largest ratio to the density of the bad ones (Bergstra 2011).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ray_remote_nni.tuner.space import Choice, Integer, Normal, Numbers, Parameter, SearchSpace, Uniform
from ray_remote_nni.tuner.tpe.densities import fast_functions
from ray_remote_nni.tuner.tpe.engine import (
    adaptive_parzen_normal,
    as_apply,
    build_posterior_wrapper,
    dfs,
    hyperopt,
    linear_forgetting_weights,
)
from ray_remote_nni.tuner.tpe.history import Split
from ray_remote_nni.tuner.tpe.program import Program


def hyperopt_space(parameters: Sequence[Parameter]) -> dict[str, Any]:
    """Express NNI's parameters in hyperopt's terms; labels are those of the parameters.

    hyperopt's loguniform takes logarithms, and its randint is a category of every value without an order,
    at a cost in its range. So randint is a quniform of step 1 that reaches half a step beyond both ends,
    and a plain choice is hyperopt's randint of its number of values, which is what its choice is inside.
    """
    return {parameter.label: _expression(parameter) for parameter in parameters}


def _expression(parameter: Parameter) -> Any:
    label, domain, hp = parameter.label, parameter.domain, hyperopt.hp
    if isinstance(domain, Choice):
        if not parameter.branches:
            return hp.randint(label, domain.size)
        return hp.choice(label, [hyperopt_space(branch) for branch in parameter.branches])
    if isinstance(domain, Integer):
        return hp.quniform(label, domain.low - 0.5, domain.high - 0.5, 1.0)
    if isinstance(domain, Uniform):
        bounds = (math.log(domain.low), math.log(domain.high)) if domain.log else (domain.low, domain.high)
        return _by_name("uniform", label, domain.log, domain.step, bounds)
    if isinstance(domain, Normal):
        return _by_name("normal", label, domain.log, domain.step, (domain.mu, domain.sigma))
    raise TypeError(domain)


def _by_name(family: str, label: str, log: bool, step: float | None, values: tuple[float, float]) -> Any:
    name = ("" if step is None else "q") + ("log" if log else "") + family
    return getattr(hyperopt.hp, name)(label, *values, *(() if step is None else (step,)))


class HyperoptGraph:
    """Suggestions of hyperopt's prior and posterior."""

    def __init__(
        self,
        space: SearchSpace,
        prior_weight: float = 1.0,
        linear_forgetting: int = 25,
        functions: Mapping[str, Callable[..., Any]] | None = None,
    ) -> None:
        """Compile the graphs; `functions` replaces hyperopt's by node name (default: the fast ones)."""
        self._parameters = space.parameters
        domain = hyperopt.Domain(None, hyperopt_space(space.roots), pass_expr_memo_ctrl=True)
        self._prior = Program(domain.s_idxs_vals, [domain.s_new_ids, domain.s_rng])
        _, _, posterior = build_posterior_wrapper(domain, prior_weight, gamma=0.25)
        output = as_apply(posterior)
        # The nodes that would split the trials; their results are put in instead.
        by_label = {_label(node): node for node in dfs(output) if node.name == "ap_split_trials"}
        splits = [by_label[parameter.label] for parameter in self._parameters]
        self._posterior = Program(
            output,
            [domain.s_new_ids, domain.s_rng, *splits],
            {
                **(fast_functions() if functions is None else functions),
                # hyperopt binds the forgetting as a default that its suggest cannot change.
                "adaptive_parzen_normal": partial(adaptive_parzen_normal, LF=linear_forgetting),
                "linear_forgetting_weights": lambda N, LF: linear_forgetting_weights(N, linear_forgetting),
            },
        )

    def draw(self, rng: np.random.Generator) -> Numbers:
        """Draw a configuration from the search space itself."""
        return self._numbers(self._prior.run([[0], rng]), 0)

    def suggest(
        self, numbers: NDArray[np.float64], split: Split, n_candidates: int, rng: np.random.Generator
    ) -> Numbers:
        """Suggest a configuration as hyperopt.tpe.suggest would with this split of these trials."""
        below, above = numbers[np.sort(split.good)], numbers[split.bad]
        splits = [
            (_observed(below[:, index]), _observed(above[:, index])) for index in range(len(self._parameters))
        ]
        with np.errstate(divide="ignore", invalid="ignore"):
            found = self._posterior.run([list(range(n_candidates)), rng, *splits])
        return self._numbers(found, 0)

    def _numbers(self, found: tuple[Mapping[str, Any], Mapping[str, Any]], candidate: int) -> Numbers:
        indices, values = found
        numbers = [math.nan] * len(self._parameters)
        for parameter in self._parameters:
            active = list(indices[parameter.label])
            if candidate in active:
                numbers[parameter.index] = float(values[parameter.label][active.index(candidate)])
        return numbers


def _label(split_node: Any) -> str:
    """The label of the parameter whose trials a node splits: its first argument is `observed[label]`."""
    label: str = split_node.pos_args[0].pos_args[1].obj
    return label


def _observed(column: NDArray[np.float64]) -> NDArray[np.float64]:
    return column[~np.isnan(column)]
