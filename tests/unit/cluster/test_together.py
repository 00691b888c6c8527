"""Doing things on all machines at once: who is told of, and who is waited for."""

from __future__ import annotations

import asyncio
import time

import pytest

from ray_remote_nni.cluster.together import led, on_all
from ray_remote_nni.errors import ClusterError, MachineError


async def work(seconds: float, host: str | None = None) -> None:
    await asyncio.sleep(seconds)
    if host is not None:
        raise MachineError(host, "no luck.")


def test_every_machine_that_fails_is_told_of() -> None:
    with pytest.raises(ClusterError) as caught:
        asyncio.run(_all(work(0, "a"), work(0.02), work(0.01, "b")))
    assert str(caught.value) == "a: no luck.\nb: no luck."


async def _all(*works: object) -> None:
    await on_all(works)  # type: ignore[arg-type]


def test_when_the_head_fails_nobody_waits_for_those_who_wait_for_it() -> None:
    began = time.monotonic()
    with pytest.raises(ClusterError, match=r"^head: no luck\.$"):
        asyncio.run(_led(work(0, "head"), work(30), work(30, "b")))
    assert time.monotonic() - began < 5


def test_a_failed_worker_is_told_of_when_all_others_are_done() -> None:
    done = []

    async def head() -> None:
        await asyncio.sleep(0.05)
        done.append("head")

    with pytest.raises(ClusterError, match=r"^worker: no luck\.$"):
        asyncio.run(_led(head(), work(0, "worker")))
    assert done == ["head"]


async def _led(leader: object, *followers: object) -> None:
    await led(leader, followers)  # type: ignore[arg-type]


def test_results_come_in_the_order_of_the_machines() -> None:
    async def give(seconds: float) -> float:
        await asyncio.sleep(seconds)
        return seconds

    async def up() -> list[float]:
        return await on_all(map(give, (0.02, 0.0, 0.01)))

    assert asyncio.run(up()) == [0.02, 0.0, 0.01]


def test_a_mistake_of_ours_is_not_a_machines_failure() -> None:
    async def mistake() -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        asyncio.run(_all(work(0, "a"), mistake()))


def test_nothing_goes_on_after_somebody_gave_up_on_it() -> None:
    ended = []

    async def start(host: str) -> None:
        try:
            await asyncio.sleep(30)
        finally:
            await asyncio.sleep(0)
            ended.append(host)

    async def up() -> list[str]:
        starting = asyncio.ensure_future(_led(start("head"), start("worker")))
        await asyncio.sleep(0.01)
        starting.cancel()
        await asyncio.wait([starting])
        return sorted(ended)

    assert asyncio.run(up()) == ["head", "worker"]
