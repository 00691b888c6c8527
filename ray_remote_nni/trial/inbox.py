"""Where running trials leave what they report, until the driver collects it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from functools import cache
from typing import Any

import ray

from ray_remote_nni.trial.spec import TrialEvent


@dataclass(frozen=True)
class Post:
    """A batch of one attempt's events, the first of which is its `start`-th."""

    trial_id: str
    attempt: int
    start: int
    events: list[TrialEvent]


@ray.remote(num_cpus=0, max_restarts=-1)
class Inbox:
    """Holds posts for the driver. It may lose them: a trial's result holds all of its events once more.

    Short trials post nothing, so their way to the driver is one message long.
    """

    def __init__(self) -> None:
        self._posts: list[Post] = []
        self._arrived = asyncio.Event()

    async def post(self, trial_id: str, attempt: int, start: int, events: list[TrialEvent]) -> None:
        """Leave a batch."""
        self._posts.append(Post(trial_id, attempt, start, events))
        self._arrived.set()

    async def collect(self, timeout_s: float) -> list[Post]:
        """Return what has arrived, in order; waits up to `timeout_s` for the first."""
        try:
            await asyncio.wait_for(self._arrived.wait(), timeout_s)
        except asyncio.TimeoutError:
            return []
        posts, self._posts = self._posts, []
        self._arrived.clear()
        return posts


def inbox_name(experiment_id: str) -> str:
    """Return the name of an experiment's inbox."""
    return f"inbox {experiment_id}"


@cache
def find_inbox(experiment_id: str) -> Any:
    """Return an experiment's inbox, from within one of its tasks.

    A handle that travelled with every trial would cost each of them as much as the rest of its message, and most
    short trials post nothing.
    """
    return ray.get_actor(inbox_name(experiment_id))
