"""Places with room for so many trees and no more, whatever the others want."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from hypothesis import given, settings
from hypothesis import strategies as st

from ray_remote_nni.guard.places import Places


async def settled() -> None:
    for _ in range(3):
        await asyncio.sleep(0)


def test_who_comes_to_a_full_place_waits_for_the_first_who_leaves() -> None:
    async def story() -> None:
        places, first, second = Places(), {"gpu 0": 1}, {"gpu 0": 1}
        await places.enter(first)
        waiting = asyncio.ensure_future(places.enter(second))
        await settled()
        assert not waiting.done()
        places.leave(first)
        await waiting

    asyncio.run(story())


def test_all_who_are_there_hold_one_another_to_their_limits() -> None:
    async def story() -> None:
        places, modest = Places(), {"gpu 0": 1}
        await places.enter(modest)
        generous = asyncio.ensure_future(places.enter({"gpu 0": 4}))
        await settled()
        assert not generous.done()
        places.leave(modest)
        await generous

    asyncio.run(story())


def test_who_does_not_mind_how_many_there_are_is_counted_and_keeps_nobody_waiting() -> None:
    async def story() -> None:
        places, easy = Places(), {"trials": None, "gpu 0": 1}
        await places.enter(easy)
        modest = asyncio.ensure_future(places.enter({"trials": 1}))
        await settled()
        assert not modest.done()
        places.leave(easy)
        await modest

        places = Places()
        await places.enter(easy)
        behind = asyncio.ensure_future(places.enter({"trials": None, "gpu 0": 1}))
        await settled()
        assert not behind.done()
        await places.enter({"trials": None})
        places.leave(easy)
        await behind

    asyncio.run(story())


def test_who_gives_up_waiting_keeps_nobody_else_waiting() -> None:
    async def story() -> None:
        places, first = Places(), {"gpu 0": 1}
        await places.enter(first)
        impatient = asyncio.ensure_future(places.enter({"gpu 0": 1, "gpu 1": 1}))
        behind = asyncio.ensure_future(places.enter({"gpu 1": 1}))
        await settled()
        assert not behind.done()
        impatient.cancel()
        await behind

    asyncio.run(story())


WANTED = st.dictionaries(st.sampled_from(["a", "b", "c"]), st.integers(1, 3) | st.none(), min_size=1)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(["come", "leave", "give up"]), WANTED), max_size=25))
def test_no_place_is_ever_overfull_and_nobody_is_forgotten(steps: list[tuple[str, dict[str, int | None]]]) -> None:
    async def story() -> None:
        places = Places()
        inside: list[Mapping[str, int | None]] = []
        coming: list[tuple[Mapping[str, int | None], asyncio.Task[None]]] = []

        async def look() -> None:
            await settled()
            for wanted, task in [entry for entry in coming if entry[1].done()]:
                coming.remove((wanted, task))
                if not task.cancelled():
                    inside.append(wanted)
            for place in "abc":
                limits = [wanted[place] for wanted in inside if place in wanted]
                assert len(limits) <= min((limit for limit in limits if limit is not None), default=len(limits))

        for step, wanted in steps:
            if step == "come":
                coming.append((wanted, asyncio.ensure_future(places.enter(wanted))))
            elif step == "leave" and inside:
                places.leave(inside.pop())
            elif step == "give up" and coming:
                coming[0][1].cancel()
            await look()
        while inside:
            places.leave(inside.pop())
            await look()
        assert not coming

    asyncio.run(story())
