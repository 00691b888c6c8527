"""NNI's Random: each trial is drawn from the search space, by hyperopt's own distributions."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ray_remote_nni.tuner.space import Numbers, SearchSpace
from ray_remote_nni.tuner.tpe.graph import HyperoptPrior


class RandomSearch:
    """A Proposer that learns nothing."""

    def __init__(self, space: SearchSpace) -> None:
        """Compile hyperopt's graph of the space."""
        self._prior = HyperoptPrior(space)

    def proposals(self, rng: np.random.Generator) -> Iterator[Numbers]:
        """Yield draws from the search space."""
        while True:
            yield self._prior.draw(rng)

    def learn(self, numbers: Numbers, loss: float | None) -> None:
        """Do nothing."""
