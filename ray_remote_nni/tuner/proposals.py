"""Strategies that need to say no more than which configurations they prefer."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol

import numpy as np

from ray_remote_nni.tuner.picker import Picker
from ray_remote_nni.tuner.space import Numbers, SearchSpace


class Proposer(Protocol):
    """Thinks of configurations, and learns."""

    def proposals(self, rng: np.random.Generator) -> Iterator[Numbers]:
        """Yield configurations without an end, the preferred one first."""
        ...

    def learn(self, numbers: Numbers, loss: float | None) -> None:
        """Take the end of a trial; see Strategy."""
        ...


class ProposalStrategy:
    """A Strategy by a Proposer, which it keeps from repeating itself unless told otherwise."""

    def __init__(self, space: SearchSpace, proposer: Proposer, avoid_duplicates: bool) -> None:
        """Start with nothing suggested."""
        self._proposer = proposer
        self._picker = Picker(space, avoid_duplicates)

    def suggest(self, rng: np.random.Generator) -> tuple[dict[str, Any], Numbers]:
        """Return a configuration; see Strategy."""
        return self._picker.pick(self._proposer.proposals(rng), rng)

    def recognise(self, parameters: dict[str, Any], rng: np.random.Generator) -> Numbers | None:
        """Return the numbers of an earlier trial; see Strategy."""
        return self._picker.recognise(parameters)

    def learn(self, trial: Numbers, loss: float | None) -> None:
        """Take the end of a trial; see Strategy."""
        self._proposer.learn(trial, loss)
