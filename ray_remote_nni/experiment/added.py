"""Trials that somebody added: under which ids the driver took them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Collection, Sequence
from typing import Any

from ray_remote_nni.experiment.head import Head
from ray_remote_nni.experiment.mirror import catch_up
from ray_remote_nni.experiment.registry import ExperimentEntry
from ray_remote_nni.records.model import TrialRecord
from ray_remote_nni.records.reader import RecordReader

_PATIENCE_S = 5.0
_POLL_S = 0.3


async def await_added(
    entry: ExperimentEntry, head: Head, before: Collection[str], configurations: Sequence[dict[str, Any]]
) -> list[str]:
    """Return the ids of these trials once the driver has taken them; none where it takes its time.

    `before` are the ids of those that were there when they were asked for.
    """
    deadline = time.monotonic() + _PATIENCE_S
    while True:
        pulse = await catch_up(entry, head)
        if pulse is not None and pulse.requests == 0:
            with RecordReader(entry.mirror) as records:
                return added_trials(before, records.trials(), configurations)
        if pulse is None or not pulse.running or time.monotonic() > deadline:
            return []
        await asyncio.sleep(_POLL_S)


def added_trials(
    before: Collection[str], trials: Sequence[TrialRecord], configurations: Sequence[dict[str, Any]]
) -> list[str]:
    """Return, for each of these parameters, the id of the new trial that has them; none where one is missing."""
    new = [trial for trial in trials if trial.trial_id not in before]
    ids = []
    for parameters in configurations:
        found = next((trial for trial in new if trial.parameters == parameters), None)
        if found is None:
            return []
        new.remove(found)
        ids.append(found.trial_id)
    return ids
