"""hyperopt's own TPE of a search space: its prior and its posterior, compiled once.

The posterior treats every parameter by itself: candidates from the density of the good trials, and of these
the one with the largest ratio to the density of the bad ones (Bergstra 2011).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ray_remote_nni.tuner.space import Choice, Integer, Normal, Numbers, Parameter, SearchSpace, Uniform
from ray_remote_nni.tuner.tpe.densities import fast_functions
from ray_remote_nni.tuner.tpe.engine import (
    Apply,
    as_apply,
    build_posterior_wrapper,
    dfs,
    hyperopt,
    linear_forgetting_weights,
)
from ray_remote_nni.tuner.tpe.program import Program

_MOST_STEPS = 100


def hyperopt_space(parameters: Sequence[Parameter]) -> dict[str, Any]:
    """Express NNI's parameters in hyperopt's terms; labels are those of the parameters.

    hyperopt's loguniform takes logarithms, and its randint is a category of every value without an order,
    at a cost in its range. So randint is a quniform of step 1 that reaches half a step beyond both ends,
    and a plain choice is hyperopt's randint of its number of values, which is what its choice is inside.
    With many steps, a step is small against any kernel and left to SearchSpace.settle: the mass of each
    step under each kernel is dear to work out.
    """
    return {parameter.label: _expression(parameter) for parameter in parameters}


def _expression(parameter: Parameter) -> Any:
    label, domain, hp = parameter.label, parameter.domain, hyperopt.hp
    if isinstance(domain, Choice):
        if not parameter.branches:
            return hp.randint(label, domain.size)
        return hp.choice(label, [hyperopt_space(branch) for branch in parameter.branches])
    if isinstance(domain, Integer):
        step = 1.0 if domain.size <= _MOST_STEPS else None
        return _by_name("uniform", label, False, step, (domain.low - 0.5, domain.high - 0.5))
    if isinstance(domain, Uniform):
        bounds = (math.log(domain.low), math.log(domain.high)) if domain.log else (domain.low, domain.high)
        step = domain.step if domain.log or (domain.size or 0) <= _MOST_STEPS else None
        return _by_name("uniform", label, domain.log, step, bounds)
    if isinstance(domain, Normal):
        return _by_name("normal", label, domain.log, domain.step, (domain.mu, domain.sigma))
    raise TypeError(domain)


def _by_name(family: str, label: str, log: bool, step: float | None, values: tuple[float, float]) -> Any:
    name = ("" if step is None else "q") + ("log" if log else "") + family
    return getattr(hyperopt.hp, name)(label, *values, *(() if step is None else (step,)))


@dataclass(frozen=True)
class Estimate:
    """What the good and the bad trials say of one parameter.

    Of a numeric parameter: weights, means and widths of its mixture of normals (of its logarithm for log
    forms). Of a choice: the indices of the values that the trials had, oldest trial first.
    """

    good: Any
    bad: Any


class HyperoptPrior:
    """Draws from a search space by hyperopt's distributions, as `hyperopt.rand` does."""

    def __init__(self, space: SearchSpace) -> None:
        """Compile the graph."""
        self._parameters = space.parameters
        # The constant is for a space without parameters: hyperopt cannot put a graph of one node in order.
        expression = {**hyperopt_space(space.roots), "constant": 0}
        self.domain = hyperopt.Domain(None, expression, pass_expr_memo_ctrl=True)
        self._program = Program(self.domain.s_idxs_vals, [self.domain.s_new_ids, self.domain.s_rng])

    def draw(self, rng: np.random.Generator) -> Numbers:
        """Draw a configuration from the search space itself."""
        return _numbers(self._parameters, self._program.run([[0], rng]))


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
        self._prior = HyperoptPrior(space)
        domain = self._prior.domain
        _, _, posterior = build_posterior_wrapper(domain, prior_weight, gamma=0.25)
        output = as_apply(posterior)
        inputs = _estimate_nodes(dfs(output))
        self._posterior = Program(
            output,
            [domain.s_new_ids, domain.s_rng, *(inputs[p.label, side] for p in self._parameters for side in (0, 1))],
            {
                **(fast_functions() if functions is None else functions),
                # hyperopt binds the forgetting as a default that its suggest cannot change.
                "linear_forgetting_weights": lambda N, LF: linear_forgetting_weights(N, linear_forgetting),
            },
        )

    def draw(self, rng: np.random.Generator) -> Numbers:
        """Draw a configuration from the search space itself."""
        return self._prior.draw(rng)

    def suggest(self, estimates: Sequence[Estimate], n_candidates: int, rng: np.random.Generator) -> Numbers:
        """Suggest a configuration as hyperopt.tpe.suggest does, from an estimate per parameter."""
        sides = [side for estimate in estimates for side in (estimate.good, estimate.bad)]
        with np.errstate(divide="ignore", invalid="ignore"):
            return _numbers(self._parameters, self._posterior.run([list(range(n_candidates)), rng, *sides]))


def _numbers(parameters: Sequence[Parameter], found: tuple[Mapping[str, Any], Mapping[str, Any]]) -> Numbers:
    """Return the numbers of candidate 0; in the posterior all candidates end up as the best one."""
    indices, values = found
    numbers = [math.nan] * len(parameters)
    for parameter in parameters:
        active = list(indices[parameter.label])
        if 0 in active:
            numbers[parameter.index] = float(values[parameter.label][active.index(0)])
    return numbers


def _estimate_nodes(nodes: Sequence[Apply]) -> dict[tuple[str, int], Apply]:
    """Find the node that an estimate takes the place of, by label and by side (0: good, 1: bad)."""
    found = {}
    for node in nodes:
        if node.name == "getitem" and node.pos_args[0].name == "ap_split_trials":
            found[_label(node.pos_args[0]), node.pos_args[1].obj] = node
    for node in nodes:
        if node.name == "adaptive_parzen_normal":
            trials = node.pos_args[0]
            while not (trials.name == "getitem" and trials.pos_args[0].name == "ap_split_trials"):
                trials = trials.pos_args[0]
            found[_label(trials.pos_args[0]), trials.pos_args[1].obj] = node
    return found


def _label(split_node: Apply) -> str:
    """The label of the parameter whose trials a node splits: its first argument is `observed[label]`."""
    label: str = split_node.pos_args[0].pos_args[1].obj
    return label
