"""Where running trials leave what they report, until the driver collects it."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter, defaultdict
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


@dataclass(frozen=True)
class Workers:
    """So many workers that are being started on a node, and for how long they wait for one another."""

    node: str
    number: int
    timeout_s: float


@ray.remote(num_cpus=0, max_restarts=-1)
class Inbox:
    """Holds posts for the driver. It may lose them: a trial's result holds all of its events once more.

    Short trials post nothing, so their way to the driver is one message long.
    """

    def __init__(self) -> None:
        self._posts: list[Post] = []
        self._arrived = asyncio.Event()
        self._present: Counter[str] = Counter()
        self._complete: defaultdict[str, asyncio.Event] = defaultdict(asyncio.Event)

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

    async def meet(self, workers: Workers) -> None:
        """Return once all of these have called this, or after their time.

        Otherwise the first one to start would do what the next ones are being started for.
        """
        node = workers.node
        self._present[node] += 1
        if self._present[node] >= workers.number:
            self._complete[node].set()
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self._complete[node].wait(), workers.timeout_s)


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
