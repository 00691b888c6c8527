"""A new tuner learns an experiment's history, each thing when the earlier tuner did."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ray_remote_nni.tuner.contract import Tuner

#: A trial's id, its parameters, and how many ends the tuner knew when it suggested them.
AskedTrial = tuple[str, Mapping[str, Any], int]

#: A trial's id, and its final value, None for one that has none.
End = tuple[str, float | None]

#: A result of elsewhere: a name that no trial has, its parameters, its value.
Result = tuple[str, Mapping[str, Any], float | None]


def replay(tuner: Tuner, trials: Sequence[AskedTrial], ends: Sequence[End], results: Sequence[Result] = ()) -> None:
    """Give a tuner all trials, in the order in which they were asked for, and among them the ends, in theirs.

    Results of elsewhere come first, whenever the earlier tuner was given them.
    """
    take(tuner, results)
    learnt = 0
    for trial_id, parameters, ends_before in trials:
        learn(tuner, ends[learnt:ends_before])
        learnt = max(learnt, ends_before)
        tuner.restore(trial_id, dict(parameters))
    learn(tuner, ends[learnt:])


def take(tuner: Tuner, results: Sequence[Result]) -> None:
    """Give a tuner results of elsewhere, as trials that have run."""
    for name, parameters, value in results:
        tuner.restore(name, dict(parameters))
        learn(tuner, [(name, value)])


def learn(tuner: Tuner, ends: Sequence[End]) -> None:
    """Tell a tuner of ends."""
    for trial_id, value in ends:
        if value is None:
            tuner.fail(trial_id)
        else:
            tuner.tell(trial_id, value)
