"""TPE as a tuner: it keeps the history, decides when the model starts, and does not repeat itself."""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator
from typing import Any

import numpy as np

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


class TpeTuner:
    """hyperopt's TPE with a second, joint model beside it; see `Model`.

    A trial that failed, or whose value is NaN or infinitely good, has no value: it counts as a bad trial.
    So does one whose value is infinitely bad, but that one is a result too. Neither is ever a good trial.
    Random suggestions come first, until `n_startup_jobs` trials have a value.
    """

    def __init__(self, space: SearchSpace, settings: TpeSettings, avoid_duplicates: bool = True) -> None:
        """Start with an empty history."""
        self._space = space
        self._settings = settings
        self._avoid_duplicates = avoid_duplicates
        self._model = Model(space, settings)
        self._history = History(len(space.parameters), settings.linear_forgetting)
        self._asked = Asked(space)
        self._running: dict[str, int | None] = {}  # rows of the history; None: not in it
        self._count = 0
        self._lock = threading.Lock()

    @property
    def seed(self) -> int:
        """The seed in use; with it, and the same history, the suggestions are the same."""
        return self._settings.seed

    def ask(self, trial_id: str) -> dict[str, Any]:
        """Return the parameters of a new trial; see Tuner."""
        with self._lock:
            self._refuse_running(trial_id)
            # The n-th trial's randomness depends on nothing else, so that a replay of the history suffices.
            rng = np.random.default_rng([self._settings.seed, self._count])
            parameters, numbers = self._choose(rng)
            self._enter(trial_id, numbers)
            return parameters

    def restore(self, trial_id: str, parameters: dict[str, Any]) -> None:
        """Take a trial of an earlier run as asked for; see Tuner."""
        with self._lock:
            self._refuse_running(trial_id)
            try:
                numbers = self._space.encode(parameters)
            except OutsideSpace:
                self._enter(trial_id, None)
            else:
                self._enter(trial_id, numbers)

    def tell(self, trial_id: str, value: float) -> None:
        """Report a trial's final value; see Tuner."""
        loss = -float(value) if self._settings.maximize else float(value)
        self._end(trial_id, None if math.isnan(loss) or loss == -math.inf else loss)

    def fail(self, trial_id: str) -> None:
        """Report that a trial has ended without a value; see Tuner."""
        self._end(trial_id, None)

    def _enter(self, trial_id: str, numbers: Numbers | None) -> None:
        self._count += 1
        if numbers is None:
            self._running[trial_id] = None
            return
        self._running[trial_id] = self._history.add(numbers)
        if self._avoid_duplicates:
            self._asked.add(numbers)

    def _end(self, trial_id: str, loss: float | None) -> None:
        with self._lock:
            if trial_id not in self._running:
                raise ValueError(f"trial {trial_id} is not running")
            row = self._running.pop(trial_id)
            if row is not None:
                self._history.end(row, loss)

    def _refuse_running(self, trial_id: str) -> None:
        if trial_id in self._running:
            raise ValueError(f"trial {trial_id} is running already")

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
