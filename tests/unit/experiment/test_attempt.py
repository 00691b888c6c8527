"""What a driver makes of what it hears of a running attempt, by real records."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest
from experiment_values import experiment_spec, new_records

from ray_remote_nni.experiment.agenda import Waiting
from ray_remote_nni.experiment.attempt import Attempt, trial_spec
from ray_remote_nni.experiment.placement import Node, Place
from ray_remote_nni.experiment.spec import MachineSpec
from ray_remote_nni.records.model import TrialRecord
from ray_remote_nni.records.reader import RecordReader
from ray_remote_nni.records.store import RecordStore
from ray_remote_nni.trial.spec import Ended, Reported, Started

STARTED = Started("10.0.0.2", (3,), 100.0)
FIRST, SECOND = (Reported(number, "PERIODICAL", value, 101.0) for number, value in enumerate((0.5, 0.75)))
FINAL = Reported(2, "FINAL", 0.9, 102.0)


def attempt() -> Attempt:
    place = Place(Node("n2", 1), (3,), MachineSpec(1, "10.0.0.2"))
    return Attempt(trial_spec(experiment_spec(), Waiting("aaaaa", 0, 1, {"x": 0.5}), place), place)


@pytest.fixture
def recorded(tmp_path: Path) -> Callable[[Callable[[Attempt, RecordStore], None]], TrialRecord]:
    """Do something with an attempt that was just submitted; return what the records say then."""

    def do(what: Callable[[Attempt, RecordStore], None]) -> TrialRecord:
        async def within_a_loop() -> None:
            what(attempt(), store)

        with new_records(tmp_path / "records.sqlite") as store:
            store.add_trial("aaaaa", 0, {"x": 0.5}, start=True)
            asyncio.run(within_a_loop())
            with RecordReader(store.path) as reader:
                return reader.trial("aaaaa")

    return do


Recorded = Callable[[Callable[[Attempt, RecordStore], None]], TrialRecord]


def test_what_a_trial_tells_is_recorded_as_it_comes(recorded: Recorded) -> None:
    def tell(attempt: Attempt, store: RecordStore) -> None:
        assert attempt.started is None
        attempt.take(0, [STARTED, FIRST], store)
        attempt.take(2, [SECOND], store)
        assert attempt.started == STARTED
        assert attempt.metrics == [FIRST, SECOND]
        assert attempt.uncommitted() == []

    trial = recorded(tell)
    assert (trial.machine, trial.gpu_indices, trial.start_time) == ("10.0.0.2", (3,), 100.0)
    assert trial.intermediate == (0.5, 0.75)


def test_a_batch_that_comes_twice_or_after_one_that_was_lost_is_left_for_the_end(recorded: Recorded) -> None:
    def tell(attempt: Attempt, store: RecordStore) -> None:
        attempt.take(2, [SECOND], store)
        assert attempt.started is None
        attempt.take(0, [STARTED, FIRST], store)
        attempt.take(0, [STARTED, FIRST], store)
        assert attempt.metrics == [FIRST]

    assert recorded(tell).intermediate == (0.5,)


def test_with_the_end_comes_all_and_what_is_recorded_is_not_recorded_again(recorded: Recorded) -> None:
    def tell(attempt: Attempt, store: RecordStore) -> None:
        attempt.take(0, [STARTED, FIRST], store)
        attempt.events = [STARTED, FIRST, SECOND, FINAL, Ended(0, 103.0, None, None)]
        assert attempt.uncommitted() == [(1, "PERIODICAL", 0.75, 101.0), (2, "FINAL", 0.9, 102.0)]

    assert recorded(tell).intermediate == (0.5,)


def test_a_trial_gets_its_machines_environment_before_the_experiments() -> None:
    machine = MachineSpec(1, "10.0.0.2", environment={"DATA": "/disk2"}, trials_per_gpu=2, max_trials=4)
    spec = experiment_spec(trial_environment={"DATA": "/data", "MODE": "fast"})
    told = trial_spec(spec, Waiting("aaaaa", 7, 2, {"x": 0.5}), Place(Node("n2", 1), (3,), machine))
    assert dict(told.environment) == {"DATA": "/disk2", "MODE": "fast"}
    assert (told.sequence, told.attempt, told.gpus, told.trials_per_gpu, told.max_trials) == (7, 2, (3,), 2, 4)
