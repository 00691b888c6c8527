"""Of configurations that somebody proposes, the first that is new."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Any

import numpy as np

from ray_remote_nni.tuner.contract import NoMoreTrials
from ray_remote_nni.tuner.duplicates import Asked
from ray_remote_nni.tuner.space import Numbers, SearchSpace

# How many proposals are looked at before we look for any configuration that is left.
_ATTEMPTS = 25


class Picker:
    """Picks, of configurations that somebody proposes, the first that was not asked for."""

    def __init__(self, space: SearchSpace, avoid_duplicates: bool) -> None:
        """Start with nothing asked for; without `avoid_duplicates`, the first of all is picked."""
        self._space = space
        self._avoid_duplicates = avoid_duplicates
        self._asked = Asked(space)
        self._exhausted: bool | None = None

    @property
    def exhausted(self) -> bool:
        """Whether nothing is left to pick."""
        if self._exhausted is None:
            finite = self._avoid_duplicates and self._space.size is not None
            self._exhausted = finite and self._asked.any_other(np.random.default_rng(0)) is None
        return self._exhausted

    def add(self, numbers: Numbers) -> None:
        """Take a configuration as asked for."""
        self._asked.add(numbers)
        self._exhausted = None

    def pick(self, proposals: Iterator[Numbers], rng: np.random.Generator) -> tuple[dict[str, Any], Numbers]:
        """Return the parameters and the settled numbers of a configuration, which counts as asked for.

        Where none of the first proposals will do, it is any that is left. Raises NoMoreTrials.
        """
        for numbers in islice(proposals, _ATTEMPTS):
            parameters, settled = self._space.settle(numbers)
            if not self._avoid_duplicates:
                return parameters, settled
            if settled not in self._asked:
                self.add(settled)
                return parameters, settled
        if self._space.size is not None:
            left = self._asked.any_other(rng)
            if left is None:
                raise NoMoreTrials("every configuration of the search space was asked for")
            parameters, settled = self._space.settle(left)
        # Else the space has no end, and yet all that comes out was asked for: the rest is too improbable to find.
        self.add(settled)
        return parameters, settled

    def recognise(self, parameters: dict[str, Any]) -> Numbers | None:
        """Take an earlier trial's configuration as asked for; None if it is outside the space."""
        self._exhausted = None
        return self._asked.recognise(parameters)
