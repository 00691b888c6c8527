"""NNI's Evolution: of two members of the population the better one has a child, and the other leaves.

The first trials are drawn from the search space, `population_size` of them. A child differs from its parent in one
parameter, which is drawn anew. Who fails has no place in the population, and somebody drawn takes it.
Source: Real et al. 2017, arXiv 1703.01041; NNI 3.0, nni/algorithms/hpo/evolution_tuner.py.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from ray_remote_nni.tuner.contract import NotYet
from ray_remote_nni.tuner.picker import Picker
from ray_remote_nni.tuner.random_search import RandomSearch
from ray_remote_nni.tuner.space import Numbers, SearchSpace
from ray_remote_nni.tuner.space.quantile import quantile


@dataclass(frozen=True)
class _Member:
    """A trial that has ended well."""

    numbers: Numbers
    loss: float


class Evolution:
    """A Strategy with a population of the trials that have ended and have not left."""

    def __init__(self, space: SearchSpace, population_size: int, avoid_duplicates: bool) -> None:
        """Start without a population."""
        self._space = space
        self._random = RandomSearch(space)
        self._picker = Picker(space, avoid_duplicates)
        self._most_running = population_size
        self._running = 0
        # How many are still to be drawn from the search space.
        self._strangers = population_size
        self._population: list[_Member] = []

    def suggest(self, rng: np.random.Generator) -> tuple[dict[str, Any], Numbers]:
        """Return a member-to-be; see Strategy. Raises NotYet while the whole population runs."""
        if self._running >= self._most_running:
            raise NotYet("as many trials run as the population has members")
        couple = self._couple(rng)
        proposals = self._random.proposals(rng) if couple is None else self._children(couple[0].numbers, rng)
        parameters, numbers = self._picker.pick(proposals, rng)
        self._enter(couple)
        return parameters, numbers

    def recognise(self, parameters: dict[str, Any], rng: np.random.Generator) -> Numbers | None:
        """Return the numbers of an earlier trial, before which the same member left; see Strategy."""
        numbers = self._picker.recognise(parameters)
        if numbers is not None:
            self._enter(self._couple(rng))
        return numbers

    def learn(self, trial: Numbers, loss: float | None) -> None:
        """Let a trial join the population, if it has a loss; see Strategy."""
        self._running -= 1
        if loss is None:
            self._strangers += 1
        else:
            self._population.append(_Member(trial, loss))

    def _couple(self, rng: np.random.Generator) -> tuple[_Member, _Member | None] | None:
        """Return who is to have a child and who is to leave; None where somebody is to be drawn instead."""
        if self._strangers or not self._population:
            return None
        if len(self._population) == 1:
            return self._population[0], None
        one, other = (self._population[place] for place in rng.choice(len(self._population), 2, replace=False))
        return (one, other) if one.loss <= other.loss else (other, one)

    def _enter(self, couple: tuple[_Member, _Member | None] | None) -> None:
        self._running += 1
        if couple is None:
            self._strangers = max(self._strangers - 1, 0)
            return
        leaver = couple[1]
        self._population = [member for member in self._population if member is not leaver]

    def _children(self, parent: Numbers, rng: np.random.Generator) -> Iterator[Numbers]:
        active = [number for number, value in enumerate(parent) if not math.isnan(value)]
        while True:
            mutated = rng.choice(active) if active else None
            # What hung on the other values of a choice has to be drawn too: the choice may be what changes.
            yield [
                quantile(parameter.domain, rng.random()) if parameter.index == mutated or math.isnan(value) else value
                for parameter, value in zip(self._space.parameters, parent, strict=True)
            ]
