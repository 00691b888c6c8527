from __future__ import annotations

import math
import os
import sqlite3
import threading
import time
from pathlib import Path

import pytest

from ray_remote_nni.errors import NotFound
from ray_remote_nni.records import RecordReader, RecordsMissing, RecordStore, RecordsUnreadable, create_records
from ray_remote_nni.records.connection import RecordsUnwritable
from ray_remote_nni.records.driver import process_start


def test_a_new_file_holds_a_running_experiment(store: RecordStore, reader: RecordReader) -> None:
    experiment = reader.experiment()
    assert (experiment.id, experiment.status, experiment.name) == ("k3f9x2ab", "RUNNING", None)
    assert experiment.config == {"trialCommand": "python3 t.py"}
    assert (experiment.max_trial_number, experiment.trial_concurrency, experiment.seed) == (20, 4, 7)
    assert experiment.optimize_mode == "maximize"
    assert experiment.end_time is None


def test_records_are_never_created_over_others(store: RecordStore, path: Path, reader: RecordReader) -> None:
    with pytest.raises(FileExistsError):
        create_records(path, experiment_id="other", config={}, search_space={})
    assert reader.experiment().id == "k3f9x2ab"


def test_a_creation_that_was_cut_off_is_no_hindrance(path: Path) -> None:
    path.parent.mkdir(parents=True)
    path.touch()
    create_records(path, experiment_id="k3f9x2ab", config={}, search_space={}).close()
    with RecordReader(path) as reader:
        assert reader.experiment().id == "k3f9x2ab"


def test_a_file_that_is_not_there_is_said_to_be_missing(tmp_path: Path) -> None:
    with pytest.raises(RecordsMissing, match="nowhere"):
        RecordStore.open(tmp_path / "nowhere")
    assert not (tmp_path / "nowhere").exists()


def test_a_file_that_is_something_else_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "records.sqlite"
    path.write_text("no database at all\n" * 100)
    with pytest.raises(RecordsUnreadable, match="not an experiment's records"):
        RecordStore.open(path)
    assert path.read_text().startswith("no database")


@pytest.mark.parametrize(
    ("version", "said"), [(99, r"newer ray-nni .* Upgrade"), (1, r"older ray-nni .*which can read it")]
)
def test_a_file_of_another_version_is_refused_with_the_remedy(
    store: RecordStore, path: Path, version: int, said: str
) -> None:
    store.close()
    connection = sqlite3.connect(path)
    connection.execute(f"PRAGMA user_version = {version}")
    connection.close()
    with pytest.raises(RecordsUnreadable, match=said):
        RecordStore.open(path)


def test_what_was_recorded_is_there_after_reopening(store: RecordStore, path: Path) -> None:
    store.add_trial("aaa", 0, {"x": 0.5})
    store.close()
    with RecordStore.open(path) as again:
        again.add_trial("bbb", 1, {"x": 0.6})
    with RecordReader(path) as reader:
        assert [trial.trial_id for trial in reader.trials()] == ["aaa", "bbb"]


def test_a_trial_goes_from_waiting_over_running_to_its_end(store: RecordStore, reader: RecordReader) -> None:
    store.add_trial("aaa", 0, {"x": 0.5}, create_time=1.0)
    assert reader.trial("aaa").status == "WAITING"
    assert reader.trial("aaa").attempt == 1

    store.start_attempt("aaa", 1)
    assert reader.trial("aaa").status == "RUNNING"
    assert reader.trial("aaa").start_time is None

    store.attempt_started("aaa", 1, "192.0.2.1", [0, 1], start_time=2.0)
    trial = reader.trial("aaa")
    assert (trial.machine, trial.gpu_indices, trial.start_time) == ("192.0.2.1", (0, 1), 2.0)

    store.add_metrics("aaa", 1, [(0, "PERIODICAL", 0.7, 3.0), (1, "PERIODICAL", 0.9, 4.0), (0, "FINAL", 0.98, 5.0)])
    store.end_attempt("aaa", 1, end_time=6.0, exit_code=0, outcome="exited")
    store.end_trial("aaa", "SUCCEEDED", 0.98, 0.98, end_time=6.0, exit_code=0)
    trial = reader.trial("aaa")
    assert (trial.status, trial.value, trial.metric, trial.end_time, trial.exit_code) == (
        "SUCCEEDED",
        0.98,
        0.98,
        6.0,
        0,
    )
    assert trial.intermediate == (0.7, 0.9)
    assert [attempt.outcome for attempt in reader.attempts("aaa")] == ["exited"]


def test_finish_records_the_whole_life_of_a_short_trial_at_once(store: RecordStore, reader: RecordReader) -> None:
    store.add_trial("aaa", 0, {"x": 0.5})
    store.start_attempt("aaa", 1)
    before = reader.rev()
    store.finish(
        "aaa",
        1,
        "FAILED",
        machine="192.0.2.1",
        gpu_indices=[],
        start_time=2.0,
        metrics=[(0, "PERIODICAL", {"default": 0.5, "loss": 1}, 2.5)],
        end_time=3.0,
        exit_code=137,
        outcome="exited",
        error="Killed",
        notices=[("error", "trial aaa failed with exit code 137")],
    )
    trial = reader.trial("aaa")
    assert (trial.status, trial.machine, trial.gpu_indices, trial.start_time) == ("FAILED", "192.0.2.1", (), 2.0)
    assert (trial.exit_code, trial.error, trial.value) == (137, "Killed", None)
    assert trial.intermediate == ({"default": 0.5, "loss": 1},)
    assert [notice.trial_id for notice in reader.notices()] == ["aaa"]
    assert reader.rev() > before


def test_a_late_finish_adds_to_what_is_recorded_already(store: RecordStore, reader: RecordReader) -> None:
    store.add_trial("aaa", 0, {})
    store.start_attempt("aaa", 1)
    store.attempt_started("aaa", 1, "192.0.2.1", None, start_time=2.0)
    store.add_metrics("aaa", 1, [(0, "PERIODICAL", 0.1, 2.1)])
    store.finish("aaa", 1, "SUCCEEDED", metrics=[(1, "PERIODICAL", 0.2, 2.2)], value=0.2, metric=0.2, exit_code=0)
    trial = reader.trial("aaa")
    assert (trial.machine, trial.start_time, trial.intermediate) == ("192.0.2.1", 2.0, (0.1, 0.2))


def test_the_first_end_of_a_trial_counts(store: RecordStore, reader: RecordReader) -> None:
    store.add_trial("aaa", 0, {})
    assert store.end_trial("aaa", "USER_CANCELED") is not None
    assert store.finish("aaa", 1, "SUCCEEDED", value=1.0, metric=1.0) is None
    assert store.requeue_trial("aaa") is None
    assert reader.trial("aaa").status == "USER_CANCELED"
    assert reader.trial("aaa").value is None


def test_only_an_end_ends_a_trial(store: RecordStore) -> None:
    store.add_trial("aaa", 0, {})
    with pytest.raises(ValueError, match="RUNNING is not the end"):
        store.end_trial("aaa", "RUNNING")


def test_ends_are_numbered_in_the_order_in_which_they_came(store: RecordStore, reader: RecordReader) -> None:
    for sequence, trial_id in enumerate("abc"):
        store.add_trial(trial_id, sequence, {})
    orders = [store.end_trial(trial_id, "SUCCEEDED", 1.0, 1.0) for trial_id in "cab"]
    assert orders == sorted(orders)
    assert [trial.trial_id for trial in reader.finished_for_replay()] == ["c", "a", "b"]


def test_a_requeued_trial_keeps_its_parameters_and_loses_its_place(store: RecordStore, reader: RecordReader) -> None:
    store.add_trial("aaa", 0, {"x": 0.5})
    store.start_attempt("aaa", 1)
    store.attempt_started("aaa", 1, "192.0.2.1", [0])
    store.add_metrics("aaa", 1, [(0, "PERIODICAL", 0.7, 1.0)])
    assert store.requeue_trial("aaa", outcome="machine lost", error="192.0.2.1 is gone") == 2
    trial = reader.trial("aaa")
    assert (trial.status, trial.attempt, trial.parameters) == ("WAITING", 2, {"x": 0.5})
    assert (trial.machine, trial.gpu_indices, trial.start_time, trial.intermediate) == (None, None, None, ())
    (first,) = reader.attempts("aaa")
    assert (first.outcome, first.error, first.machine) == ("machine lost", "192.0.2.1 is gone", "192.0.2.1")
    assert first.end_time is not None


def test_requeueing_leaves_an_ended_attempt_as_it_was(store: RecordStore, reader: RecordReader) -> None:
    store.add_trial("aaa", 0, {})
    store.start_attempt("aaa", 1)
    store.end_attempt("aaa", 1, end_time=5.0, outcome="node died")
    store.requeue_trial("aaa")
    assert [(attempt.end_time, attempt.outcome) for attempt in reader.attempts("aaa")] == [(5.0, "node died")]


@pytest.mark.parametrize("method", ["start_attempt", "requeue_trial", "end_trial"])
def test_a_trial_that_is_not_in_the_records_is_named(store: RecordStore, method: str) -> None:
    arguments = {"start_attempt": ["zzz", 1], "requeue_trial": ["zzz"], "end_trial": ["zzz", "FAILED"]}[method]
    with pytest.raises(NotFound, match="zzz"):
        getattr(store, method)(*arguments)


@pytest.mark.parametrize("value", [0.1, 3, -0.0, 1e308, float("nan"), float("inf"), float("-inf"), 2**63, 10**400])
def test_every_value_survives(store: RecordStore, reader: RecordReader, value: float) -> None:
    store.add_trial("aaa", 0, {})
    store.end_trial("aaa", "SUCCEEDED", value, {"default": value})
    trial = reader.trial("aaa")
    expected = math.inf if value == 10**400 else value
    assert trial.value == pytest.approx(expected, nan_ok=True)
    assert trial.metric["default"] == value or math.isnan(value)


def test_text_that_is_no_unicode_can_be_recorded(store: RecordStore, reader: RecordReader) -> None:
    output = b"caf\xe9".decode(errors="surrogateescape")
    store.add_trial("aaa", 0, {"x": output})
    store.add_metrics("aaa", 1, [(0, "PERIODICAL", output, 1.0)])
    store.finish("aaa", 1, "FAILED", error=output, notices=[("error", output)])
    store.set_status("ERROR", output)
    assert reader.trial("aaa").error == "caf?"
    assert reader.trial("aaa").parameters == {"x": output}
    assert reader.experiment().error == "caf?"


def test_ten_thousand_results_in_one_call_are_kept_in_order_within_half_a_second(
    store: RecordStore, reader: RecordReader
) -> None:
    store.add_trial("aaa", 0, {})
    began = time.perf_counter()
    store.add_metrics("aaa", 1, [(number, "PERIODICAL", number / 7, 1.0) for number in range(10_000)])
    assert time.perf_counter() - began < 0.5
    assert reader.trial("aaa").intermediate == tuple(number / 7 for number in range(10_000))


def test_results_of_several_processes_of_one_trial_are_all_kept(store: RecordStore, reader: RecordReader) -> None:
    store.add_trial("aaa", 0, {})
    store.add_metrics("aaa", 1, [(0, "PERIODICAL", 0.1, 1.0), (0, "PERIODICAL", 0.2, 1.0)])
    assert reader.trial("aaa").intermediate == (0.1, 0.2)


def test_an_ended_experiment_can_go_on(store: RecordStore, reader: RecordReader) -> None:
    store.set_status("ERROR", "the tuner failed", end_time=5.0)
    experiment = reader.experiment()
    assert (experiment.status, experiment.error, experiment.end_time, experiment.ended) == (
        "ERROR",
        "the tuner failed",
        5.0,
        True,
    )
    store.set_status("RUNNING")
    experiment = reader.experiment()
    assert (experiment.status, experiment.error, experiment.end_time, experiment.ended) == (
        "RUNNING",
        None,
        None,
        False,
    )


def test_the_driver_is_this_process_unless_told_otherwise(store: RecordStore, reader: RecordReader) -> None:
    store.set_driver()
    experiment = reader.experiment()
    assert experiment.driver_pid == os.getpid()
    assert experiment.driver_start == process_start(os.getpid())


def test_a_change_that_fails_half_way_leaves_nothing(store: RecordStore, reader: RecordReader) -> None:
    store.add_trial("aaa", 0, {})
    before = reader.rev()
    with pytest.raises(TypeError):
        store.finish("aaa", 1, "SUCCEEDED", machine="192.0.2.1", metrics=[(0, "FINAL", 1, 1.0)], metric=object())
    assert reader.rev() == before
    assert reader.attempts("aaa") == []
    store.add_trial("bbb", 1, {})


def test_several_changes_can_be_one_transaction(store: RecordStore, reader: RecordReader) -> None:
    with store.together():
        store.add_trial("aaa", 0, {})
        store.start_attempt("aaa", 1)
        assert reader.trials() == []
    assert reader.trial("aaa").status == "RUNNING"


def test_of_changes_made_together_none_stays_when_one_fails(store: RecordStore, reader: RecordReader) -> None:
    def change() -> None:
        with store.together():
            store.add_trial("aaa", 0, {})
            store.end_trial("zzz", "FAILED")

    with pytest.raises(NotFound):
        change()
    assert reader.trials() == []
    store.add_trial("aaa", 0, {})


def test_a_full_disk_is_an_error_that_says_so_and_can_be_overcome(store: RecordStore, reader: RecordReader) -> None:
    store.add_trial("aaa", 0, {})
    store._writer.connection.execute("PRAGMA max_page_count = 1")
    with pytest.raises(RecordsUnwritable, match="disk"):
        store.add_metrics("aaa", 1, [(0, "PERIODICAL", "x" * 1_000_000, 1.0)])
    store._writer.connection.execute("PRAGMA max_page_count = 1000000")
    store.add_metrics("aaa", 1, [(0, "PERIODICAL", 1, 1.0)])
    assert reader.trial("aaa").intermediate == (1,)


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "records.sqlite").mkdir()
    with pytest.raises(RecordsUnwritable, match=r"records\.sqlite"):
        create_records(tmp_path / "records.sqlite", experiment_id="e", config={}, search_space={})


def test_threads_take_turns(store: RecordStore, reader: RecordReader) -> None:
    def add(first: int) -> None:
        for sequence in range(first, first + 20):
            store.add_trial(f"t{sequence}", sequence, {})

    threads = [threading.Thread(target=add, args=(first,)) for first in (0, 20, 40)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [trial.sequence for trial in reader.trials()] == list(range(60))


def test_a_trial_remembers_how_many_ends_the_tuner_knew(store: RecordStore, reader: RecordReader) -> None:
    store.add_trial("aaa", 0, {})
    store.add_trial("bbb", 1, {}, ends_before=3)
    assert [trial.ends_before for trial in reader.trials()] == [0, 3]
