"""The tuner as a Ray actor: ask and tell from afar."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import ray

from ray_remote_nni.tuner import NoMoreTrials, create_tuner


@ray.remote(num_cpus=0, max_restarts=0)
class TunerActor:
    """Hosts a tuner. It keeps nothing that the records do not have: whoever loses it makes a new one and replays."""

    def __init__(self, name: str, search_space: dict[str, Any], class_args: dict[str, Any], seed: int | None) -> None:
        self._tuner = create_tuner(name, search_space, class_args=class_args, seed=seed)

    def replay(
        self, trials: Sequence[tuple[str, Mapping[str, Any]]], ends: Sequence[tuple[str, float | None]]
    ) -> None:
        """Take the trials of the records, in order of their asking, and the ends of those that ended, in their order."""
        for trial_id, parameters in trials:
            self._tuner.restore(trial_id, dict(parameters))
        for trial_id, value in ends:
            self.end(trial_id, value)

    def ask(self, trial_id: str) -> dict[str, Any] | None:
        """Return parameters for a new trial, None when there is nothing left to try."""
        try:
            return self._tuner.ask(trial_id)
        except NoMoreTrials:
            return None

    def end(self, trial_id: str, value: float | None) -> None:
        """Tell of a trial's end, and its value if it has one."""
        if value is None:
            self._tuner.fail(trial_id)
        else:
            self._tuner.tell(trial_id, value)
