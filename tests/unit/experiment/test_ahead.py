"""Asking a tuner ahead, as an actor is asked: it answers in order, whether somebody waits or not."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

from ray_remote_nni.experiment.ahead import Ahead
from ray_remote_nni.tuner import NoMoreTrials, create_tuner
from ray_remote_nni.tuner.needs import needs_of

SPACE = {"x": {"_type": "choice", "_value": [1, 2, 3]}, "y": {"_type": "quniform", "_value": [0, 1, 0.5]}}
BATCH = {"combine_params": {"_type": "choice", "_value": [{"a": 1}, {"a": 2}]}}


class Actor:
    """A tuner that notes when it was asked."""

    def __init__(self, name: str, space: dict[str, Any]) -> None:
        self._tuner = create_tuner(name, space, seed=1)
        self.answered = 0

    def ask(self, trial_id: str) -> asyncio.Future[dict[str, Any] | None]:
        self.answered += 1
        answer: asyncio.Future[dict[str, Any] | None] = asyncio.get_running_loop().create_future()
        try:
            answer.set_result(self._tuner.ask(trial_id))
        except NoMoreTrials:
            answer.set_result(None)
        return answer


def suggested(name: str, space: dict[str, Any], most: int) -> Iterator[dict[str, Any]]:
    tuner = create_tuner(name, space, seed=1)
    for number in range(most):
        try:
            yield tuner.ask(str(number))
        except NoMoreTrials:
            return


async def answers(actor: Actor, most: int) -> list[dict[str, Any]]:
    ahead, found = Ahead(actor.ask), []
    while len(found) < most and (answer := await ahead.next()) is not None:
        found.append(answer)
    return found


@pytest.mark.parametrize(("name", "space"), [("Random", SPACE), ("GridSearch", SPACE), ("Batch", BATCH)])
def test_a_tuner_that_learns_nothing_suggests_the_same_when_it_is_asked_ahead(name: str, space: dict[str, Any]) -> None:
    assert not needs_of(name).learns
    assert asyncio.run(answers(Actor(name, space), 20)) == list(suggested(name, space, 20))


def test_the_answer_after_the_next_is_made_while_nobody_waits_for_it() -> None:
    async def count() -> list[int]:
        actor = Actor("Random", {"x": {"_type": "uniform", "_value": [0, 1]}})
        ahead = Ahead(actor.ask)
        counts = [actor.answered]
        for _ in range(3):
            await ahead.next()
            counts.append(actor.answered)
        return counts

    assert asyncio.run(count()) == [0, 2, 3, 4]
