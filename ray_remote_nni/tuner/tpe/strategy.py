"""TPE as a strategy: it keeps the history, decides when the model starts, and does not repeat itself."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from threadpoolctl import ThreadpoolController

from ray_remote_nni.tuner.contract import NoMoreTrials
from ray_remote_nni.tuner.duplicates import Asked
from ray_remote_nni.tuner.space import Numbers, OutsideSpace, SearchSpace
from ray_remote_nni.tuner.tpe.history import History
from ray_remote_nni.tuner.tpe.model import Model
from ray_remote_nni.tuner.tpe.settings import TpeSettings

# How often the model, and then the search space itself, is asked for a configuration that is new, before we
# look for any that is left.
_MODEL_ATTEMPTS = 5
_RANDOM_ATTEMPTS = 20


class Tpe:
    """hyperopt's TPE with a second, joint model beside it; see `Model`. A trial is its row in the history.

    A trial without a value counts as a bad trial. So does one whose value is infinitely bad, but that one is a result
    too. Neither is ever a good trial. Random suggestions come first, until `n_startup_jobs` trials have a value.
    """

    def __init__(self, space: SearchSpace, settings: TpeSettings, avoid_duplicates: bool) -> None:
        """Start with an empty history."""
        self._space = space
        self._settings = settings
        self._avoid_duplicates = avoid_duplicates
        self._model = Model(space, settings)
        self._history = History(len(space.parameters), settings.linear_forgetting)
        self._asked = Asked(space)
        self._threads = ThreadpoolController().select(user_api="blas")

    def suggest(self, rng: np.random.Generator) -> tuple[dict[str, Any], int]:
        """Return the parameters of a new trial; see Strategy. Raises NoMoreTrials."""
        # The cores are the trials': BLAS wakes all of them for matrices that are too small to gain by it.
        with self._threads.limit(limits=1):
            parameters, numbers = self._choose(rng)
        return parameters, self._add(numbers)

    def recognise(self, parameters: dict[str, Any], rng: np.random.Generator) -> int | None:
        """Take a trial of an earlier run as suggested; see Strategy."""
        try:
            return self._add(self._space.encode(parameters))
        except OutsideSpace:
            return None

    def learn(self, trial: int, loss: float | None) -> None:
        """Take the end of a trial; see Strategy."""
        self._history.end(trial, loss)

    def _add(self, numbers: Numbers) -> int:
        if self._avoid_duplicates:
            self._asked.add(numbers)
        return self._history.add(numbers)

    def _choose(self, rng: np.random.Generator) -> tuple[dict[str, Any], Numbers]:
        for numbers in self._proposals(rng):
            parameters, settled = self._space.settle(numbers)
            if not self._avoid_duplicates or settled not in self._asked:
                return parameters, settled
        # The space has no end, and yet all that comes out was asked for: the rest is too improbable to find.
        return parameters, settled

    def _proposals(self, rng: np.random.Generator) -> Iterator[Numbers]:
        """Configurations in the order of preference; the first one that is new is taken."""
        if self._history.valued >= self._settings.n_startup_jobs:
            yield from self._model.suggestions(self._history, rng, _MODEL_ATTEMPTS)
        for _ in range(_RANDOM_ATTEMPTS):
            yield self._model.draw(rng)
        if self._space.size is not None:
            left = self._asked.any_other(rng)
            if left is None:
                raise NoMoreTrials("every configuration of the search space was asked for")
            yield left
