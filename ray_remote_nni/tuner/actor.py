"""The tuner as a Ray actor: ask and tell from afar."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import ray

from ray_remote_nni.tuner import NoMoreTrials, NotYet, create_tuner
from ray_remote_nni.tuner.replay import AskedTrial, End, Result, learn, replay, take

#: Why there are no parameters: there is nothing left to try, or a running trial has to end first.
Nothing = Literal["no more", "not yet"]


@ray.remote(num_cpus=0, max_restarts=0)
class TunerActor:
    """Hosts a tuner. It keeps nothing that the records do not have: whoever loses it makes a new one and replays."""

    def __init__(
        self,
        name: str,
        search_space: dict[str, Any],
        class_args: dict[str, Any],
        seed: int | None,
        duplicates: Literal["avoid", "allow"] = "avoid",
    ) -> None:
        self._tuner = create_tuner(name, search_space, class_args=class_args, seed=seed, duplicates=duplicates)

    def replay(self, trials: Sequence[AskedTrial], ends: Sequence[End], results: Sequence[Result]) -> None:
        """Take what the records know; see `replay`."""
        replay(self._tuner, trials, ends, results)

    def adopt(self, trial_id: str, parameters: Mapping[str, Any]) -> None:
        """Take note of a trial whose parameters the tuner was not asked for."""
        self._tuner.restore(trial_id, dict(parameters))

    def take(self, results: Sequence[Result]) -> None:
        """Take results of elsewhere."""
        take(self._tuner, results)

    def ask(self, trial_id: str, ends: Sequence[End] = ()) -> dict[str, Any] | Nothing:
        """Return parameters for a new trial, or why there are none.

        `ends` are the trials that ended since the last question, in order, with their values where they have one.
        """
        learn(self._tuner, ends)
        try:
            return self._tuner.ask(trial_id)
        except NoMoreTrials:
            return "no more"
        except NotYet:
            return "not yet"
