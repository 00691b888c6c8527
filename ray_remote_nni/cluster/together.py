"""Doing something on all machines at once, and telling of every machine that failed, not of the first."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Iterable, Sequence
from typing import TypeVar

from ray_remote_nni.errors import ClusterError, MachineError

_T = TypeVar("_T")


async def on_all(work: Iterable[Awaitable[_T]]) -> list[_T]:
    """Await all at once and return their results, in order.

    Waits for every one of them, then raises ClusterError with the message of each MachineError among them; another
    exception is raised as it is.
    """
    results = await asyncio.gather(*work, return_exceptions=True)
    errors = [result for result in results if isinstance(result, MachineError)]
    for result in results:
        if isinstance(result, BaseException) and not isinstance(result, MachineError):
            raise result
    if errors:
        raise MachinesFailed(errors)
    return [result for result in results if not isinstance(result, BaseException)]


async def failures_of(work: Iterable[Awaitable[None]]) -> list[MachineError]:
    """Await all at once and return what went wrong, machine by machine; another exception is raised as it is."""
    try:
        await on_all(work)
    except MachinesFailed as failed:
        return [*failed.errors]
    return []


async def led(leader: Awaitable[None], followers: Iterable[Awaitable[None]]) -> None:
    """Like `on_all`, where the followers can come to nothing without the leader: when it fails they are cancelled."""
    leading = asyncio.ensure_future(leader)
    following = [asyncio.ensure_future(follower) for follower in followers]

    def follow(done: asyncio.Future[None]) -> None:
        if done.cancelled() or done.exception() is not None:
            for task in following:
                task.cancel()

    leading.add_done_callback(follow)
    tasks = [leading, *following]
    try:
        await asyncio.wait(tasks)
    finally:
        # Whoever gave up on us must not find any of them at work afterwards.
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    await on_all(task for task in tasks if not task.cancelled())


class MachinesFailed(ClusterError):
    """Some machines failed; `errors` has an error of each, the message a line of each, and then `advice` for all."""

    def __init__(self, errors: Sequence[MachineError], advice: str = "") -> None:
        self.errors = tuple(errors)
        super().__init__("\n".join([*map(str, errors), *([advice] if advice else [])]))
