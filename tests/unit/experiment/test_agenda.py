"""What runs next."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from experiment_values import new_records

from ray_remote_nni.experiment.agenda import Agenda, Waiting
from ray_remote_nni.records.reader import RecordReader
from ray_remote_nni.records.store import RecordStore


class Numbers:
    """Suggests 0, 1, 2, … up to a limit, and notes what it hears of."""

    asks_again = False
    ends_known = 0
    at_hand = False

    def __init__(self, limit: int = 100) -> None:
        self.left = list(range(limit))
        self.adopted: list[str] = []

    async def ask(self, trial_id: str) -> dict[str, Any] | None:
        return {"x": self.left.pop(0)} if self.left else None

    def adopt(self, trial_id: str, parameters: Mapping[str, Any]) -> None:
        self.adopted.append(trial_id)

    def ended(self, trial_id: str, value: float | None, metrics: Sequence[Any] = (), *, succeeded: bool) -> None:
        pass


class Thinker(Numbers):
    """Thinks until it is told to answer."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[str] = []
        self.answers = asyncio.Event()

    async def ask(self, trial_id: str) -> dict[str, Any] | None:
        self.asked.append(trial_id)
        await self.answers.wait()
        return await super().ask(trial_id)


class Halving:
    """Suggests two trials, and a third one only to whoever asks after both have ended."""

    asks_again = False
    ends_known = 0
    at_hand = False

    def __init__(self) -> None:
        self.asked = 0
        self.thinking = asyncio.Event()
        self.thought = asyncio.Event()
        self._ends = 0

    async def ask(self, trial_id: str) -> dict[str, Any] | None:
        self.ends_known = self._ends
        if self.asked == 2 and self.ends_known < 2:
            self.thinking.set()
            await self.thought.wait()
            self.asks_again = True
            return None
        self.asks_again = False
        self.asked += 1
        return {"x": self.asked}

    def ended(
        self, trial_id: str, value: float | None, metrics: Sequence[Any] = (), *, succeeded: bool = False
    ) -> None:
        self._ends += 1


@pytest.fixture
def store(tmp_path: Path) -> RecordStore:
    return new_records(tmp_path / "records.sqlite")


def agenda(store: RecordStore, suggestions: Any) -> Agenda:
    with RecordReader(store.path) as records:
        return Agenda(store, suggestions, records.trials())


def following(on: Agenda, count: int) -> list[Waiting | None]:
    async def ask() -> list[Waiting | None]:
        return [await on.next(alone=False) for _ in range(count)]

    return asyncio.run(ask())


def values(trials: Sequence[Waiting | None]) -> list[Any]:
    return [None if trial is None else trial.parameters["x"] for trial in trials]


def test_what_was_set_by_hand_runs_next_in_its_order_before_what_waits(store: RecordStore) -> None:
    store.add_trial("aaaaa", 0, {"x": "waits"})
    suggestions = Numbers()
    on = agenda(store, suggestions)
    chosen = [on.set_by_hand({"x": "first"}), on.set_by_hand({"x": "second"})]

    trials = following(on, 4)

    assert values(trials) == ["first", "second", "waits", 0]
    assert suggestions.adopted == chosen
    with RecordReader(store.path) as records:
        assert [trial.sequence for trial in records.trials()] == [0, 1, 2, 3]
        assert {trial.status for trial in records.trials()} == {"RUNNING"}


def test_it_is_empty_at_the_limit_once_nothing_waits(store: RecordStore) -> None:
    on = agenda(store, Numbers())
    following(on, 2)
    assert on.is_empty(2)
    on.set_by_hand({"x": "one more"})
    assert not on.is_empty(2)
    assert values(following(on, 1)) == ["one more"]
    assert on.is_empty(2)


def test_a_used_up_space_is_told_once_and_another_space_opens_it_again(store: RecordStore) -> None:
    suggestions = Numbers(1)
    on = agenda(store, suggestions)
    assert values(following(on, 2)) == [0, None]
    assert on.is_empty(None)
    suggestions.left = [5]
    on.reopen()
    assert values(following(on, 1)) == [5]
    with RecordReader(store.path) as records:
        assert ["used up" in notice.text for notice in records.notices()] == [True]


def test_parameters_that_come_unasked_run_though_there_was_nothing_before(store: RecordStore) -> None:
    suggestions = Numbers(1)
    on = agenda(store, suggestions)
    assert values(following(on, 2)) == [0, None]
    suggestions.left, suggestions.at_hand = [5], True
    assert not on.is_empty(None)
    assert values(following(on, 1)) == [5]


@pytest.mark.parametrize("when", ["before it is asked again", "after"])
def test_a_tuner_that_thinks_can_be_interrupted_and_its_suggestion_is_the_next_trial(
    store: RecordStore, when: str
) -> None:
    tuner = Thinker()
    on = agenda(store, tuner)

    async def ask() -> list[Waiting | None]:
        asking = asyncio.ensure_future(on.next(alone=True))
        await asyncio.sleep(0.01)
        assert on.thinking_s > 0
        on.interrupt()
        trials = [await asking]
        asking = asyncio.ensure_future(on.next(alone=True)) if when == "after" else asking
        await asyncio.sleep(0.01)
        tuner.answers.set()
        await asyncio.sleep(0.01)
        return [*trials, await (asking if when == "after" else on.next(alone=True)), await on.next(alone=True)]

    trials = asyncio.run(ask())
    assert values(trials) == [None, 0, 1]
    assert tuner.asked == [trial.trial_id for trial in trials if trial is not None]
    assert on.thinking_s == 0
    with RecordReader(store.path) as records:
        assert [trial.sequence for trial in records.trials()] == [0, 1]


def test_a_tuner_that_still_thinks_at_the_end_is_not_waited_for(store: RecordStore) -> None:
    on = agenda(store, Thinker())

    async def end() -> None:
        asking = asyncio.ensure_future(on.next(alone=True))
        await asyncio.sleep(0.01)
        on.interrupt()
        assert await asking is None
        on.close()
        await asyncio.sleep(0.01)
        assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(end())


def test_a_trial_that_ends_while_the_tuner_thinks_is_not_forgotten(tmp_path: Path) -> None:
    file = tmp_path / "records.sqlite"

    async def experiment() -> None:
        tuner = Halving()
        with new_records(file) as store:
            agenda = Agenda(store, tuner, [])  # type: ignore[arg-type]
            trials = [await agenda.next(alone=False) for _ in range(2)]
            third = asyncio.ensure_future(agenda.next(alone=False))
            await tuner.thinking.wait()
            for trial in trials:
                assert trial is not None
                agenda.ended(trial.trial_id, 1.0, [], succeeded=True)
            tuner.thought.set()
            found = await third
            assert found is not None
            assert found.parameters == {"x": 3}

    asyncio.run(experiment())
    with RecordReader(file) as reader:
        assert [trial.ends_before for trial in reader.trials()] == [0, 0, 2]
