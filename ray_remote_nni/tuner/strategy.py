"""A tuner made of a strategy, which decides, and of the bookkeeping that such tuners share."""

from __future__ import annotations

import math
import threading
from typing import Any, Generic, Protocol, TypeVar

import numpy as np

Trial = TypeVar("Trial")


class Strategy(Protocol[Trial]):
    """What a tuner does: it is asked by one thread at a time, and need not know which trials run.

    `Trial` is what the strategy remembers of a trial. Losses are to be small, whatever the optimize mode.
    """

    def suggest(self, rng: np.random.Generator) -> tuple[dict[str, Any], Trial]:
        """Return the parameters of a new trial; all randomness is `rng`'s. Raises NoMoreTrials and NotYet."""
        ...

    def recognise(self, parameters: dict[str, Any], rng: np.random.Generator) -> Trial | None:
        """Take a trial of an earlier run as suggested, by an equal `rng`; None where it means nothing here."""
        ...

    def learn(self, trial: Trial, loss: float | None) -> None:
        """Take the end of a trial: its loss (+inf at worst), None where it has no usable value."""
        ...


class StrategyTuner(Generic[Trial]):
    """Ask, tell, fail and restore by a strategy; see Tuner.

    A value that is no number, or infinitely good, is no value.
    """

    def __init__(self, strategy: Strategy[Trial], seed: int, maximize: bool) -> None:
        """Start without trials."""
        self._strategy = strategy
        self._seed = seed
        self._maximize = maximize
        self._running: dict[str, Trial | None] = {}
        self._count = 0
        self._lock = threading.Lock()

    def ask(self, trial_id: str) -> dict[str, Any]:
        """Return the parameters of a new trial; see Tuner."""
        with self._lock:
            self._refuse_running(trial_id)
            parameters, trial = self._strategy.suggest(self._rng())
            self._enter(trial_id, trial)
            return parameters

    def restore(self, trial_id: str, parameters: dict[str, Any]) -> None:
        """Take a trial of an earlier run as asked for; see Tuner."""
        with self._lock:
            self._refuse_running(trial_id)
            self._enter(trial_id, self._strategy.recognise(parameters, self._rng()))

    def tell(self, trial_id: str, value: float) -> None:
        """Report a trial's final value; see Tuner."""
        loss = -float(value) if self._maximize else float(value)
        self._end(trial_id, None if math.isnan(loss) or loss == -math.inf else loss)

    def fail(self, trial_id: str) -> None:
        """Report that a trial has ended without a value; see Tuner."""
        self._end(trial_id, None)

    def _rng(self) -> np.random.Generator:
        """Return the randomness of the next trial, which depends on no other, so that a replay suffices."""
        return np.random.default_rng([self._seed, self._count])

    def _refuse_running(self, trial_id: str) -> None:
        if trial_id in self._running:
            raise ValueError(f"trial {trial_id} is running already")

    def _enter(self, trial_id: str, trial: Trial | None) -> None:
        self._count += 1
        self._running[trial_id] = trial

    def _end(self, trial_id: str, loss: float | None) -> None:
        with self._lock:
            if trial_id not in self._running:
                raise ValueError(f"trial {trial_id} is not running")
            trial = self._running.pop(trial_id)
            if trial is not None:
                self._strategy.learn(trial, loss)
