from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Callable
from pathlib import Path

import pytest

from ray_remote_nni.errors import NotFound
from ray_remote_nni.records import RecordReader, RecordsMissing, RecordStore, RecordsUnreadable, create_records


def succeed(store: RecordStore, sequence: int, value: float) -> None:
    store.add_trial(f"t{sequence}", sequence, {})
    store.finish(f"t{sequence}", 1, "SUCCEEDED", machine="192.0.2.1", value=value, metric=value)


def test_a_reader_sees_each_commit_and_nothing_before_it(store: RecordStore, reader: RecordReader) -> None:
    store.add_trial("aaa", 0, {})
    with store.together():
        store.start_attempt("aaa", 1)
        assert reader.trial("aaa").status == "WAITING"
    assert reader.trial("aaa").status == "RUNNING"


def test_a_snapshot_stays_as_it_was(store: RecordStore, reader: RecordReader) -> None:
    store.add_trial("aaa", 0, {})
    with reader.snapshot():
        assert reader.counts() == {"WAITING": 1}
        store.add_trial("bbb", 1, {})
        assert reader.counts() == {"WAITING": 1}
    assert reader.counts() == {"WAITING": 2}


def test_a_reader_can_change_nothing(reader: RecordReader) -> None:
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        reader._connection.execute("DELETE FROM trials")


def test_trials_come_in_order_of_sequence(store: RecordStore, reader: RecordReader) -> None:
    for sequence in (2, 0, 10, 1):
        store.add_trial(f"t{sequence}", sequence, {})
    assert [trial.sequence for trial in reader.trials()] == [0, 1, 2, 10]


def test_an_unknown_trial_is_named_with_its_experiment(reader: RecordReader) -> None:
    with pytest.raises(NotFound, match="zzz in experiment k3f9x2ab"):
        reader.trial("zzz")


def test_running_trials_carry_their_last_result_only(store: RecordStore, reader: RecordReader) -> None:
    for sequence in range(3):
        store.add_trial(f"t{sequence}", sequence, {})
    for trial_id in ("t1", "t0"):
        store.start_attempt(trial_id, 1)
    store.add_metrics("t1", 1, [(0, "PERIODICAL", 0.1, 1.0), (1, "PERIODICAL", 0.2, 1.0)])
    assert [(trial.trial_id, trial.intermediate) for trial in reader.running()] == [("t0", ()), ("t1", (0.2,))]


def test_the_best_trial_is_the_largest_value_unless_minimized(tmp_path: Path) -> None:
    for mode, expected in (("maximize", "t3"), ("minimize", "t1")):
        path = tmp_path / mode
        with create_records(path, experiment_id="e", config={}, search_space={}, optimize_mode=mode) as store:  # type: ignore[arg-type]
            for sequence, value in enumerate((0.5, -2, float("nan"), 9, 9.0, float("inf"), float("-inf"))):
                succeed(store, sequence, value)
            store.add_trial("failed", 99, {})
            store.end_trial("failed", "FAILED", value=1e9 if mode == "maximize" else -1e9)
        with RecordReader(path) as reader:
            best = reader.best()
            assert best is not None
            assert best.trial_id == expected


def test_without_a_finite_value_there_is_no_best_trial(store: RecordStore, reader: RecordReader) -> None:
    assert reader.best() is None
    succeed(store, 0, float("nan"))
    store.add_trial("silent", 1, {})
    store.end_trial("silent", "SUCCEEDED")
    assert reader.best() is None


def test_machines_are_counted_by_trial(store: RecordStore, reader: RecordReader) -> None:
    succeed(store, 0, 1.0)
    succeed(store, 1, 1.0)
    store.add_trial("waiting", 2, {})
    assert reader.machines() == {"192.0.2.1": 2}


def test_notices_come_oldest_first_and_can_be_read_on_from(store: RecordStore, reader: RecordReader) -> None:
    for text in "abc":
        store.add_notice("info", text)
    notices = reader.notices()
    assert [notice.text for notice in notices] == ["a", "b", "c"]
    assert [notice.text for notice in reader.notices(since=notices[0].number)] == ["b", "c"]
    assert [notice.text for notice in reader.notices(limit=2)] == ["b", "c"]


def test_a_file_without_records_is_told_from_none(tmp_path: Path) -> None:
    with pytest.raises(RecordsMissing):
        RecordReader(tmp_path / "records.sqlite")
    (tmp_path / "records.sqlite").touch()
    with pytest.raises(RecordsUnreadable, match="holds no experiment's records"):
        RecordReader(tmp_path / "records.sqlite")
    (tmp_path / "records.sqlite").write_bytes(os.urandom(10_000))
    with pytest.raises(RecordsUnreadable, match="is not an experiment's records"):
        RecordReader(tmp_path / "records.sqlite")


def test_names_that_mean_something_in_a_uri_are_only_names(tmp_path: Path) -> None:
    path = tmp_path / "50%20 ?mode=rwc#x" / "größe&.sqlite"
    create_records(path, experiment_id="e", config={}, search_space={}).close()
    with RecordReader(path) as reader:
        assert reader.experiment().id == "e"
    assert [found.name for found in tmp_path.iterdir()] == ["50%20 ?mode=rwc#x"]


def test_records_are_readable_where_nothing_may_be_written() -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "records.sqlite"
        with create_records(path, experiment_id="e", config={}, search_space={}) as store:
            succeed(store, 0, 1.0)
        path.chmod(0o444)
        Path(folder).chmod(0o555)

        def read() -> None:
            with RecordReader(path) as reader:
                assert reader.counts() == {"SUCCEEDED": 1}

        as_somebody_without_rights(read)
        Path(folder).chmod(0o755)


def test_a_commit_that_was_cut_off_is_undone_by_the_next_reader(tmp_path: Path) -> None:
    path = tmp_path / "records.sqlite"
    with create_records(path, experiment_id="e", config={}, search_space={}) as store:
        succeed(store, 0, 1.0)
        store._writer.connection.execute("PRAGMA journal_mode = DELETE")
    killed_while_writing = """
import os, sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("PRAGMA cache_size = 1")
connection.execute("BEGIN")
connection.execute("UPDATE trials SET status = 'FAILED'")
rows = ((1000 + n, "x" * 500) for n in range(500))
connection.executemany("INSERT INTO notices VALUES (?, 1, 'info', NULL, ?)", rows)
os.kill(os.getpid(), 9)
"""
    subprocess.run([sys.executable, "-c", killed_while_writing, str(path)])
    assert path.with_name("records.sqlite-journal").stat().st_size > 0
    with RecordReader(path) as reader:
        assert reader.counts() == {"SUCCEEDED": 1}
        assert reader.notices() == []


def test_the_records_need_nothing_but_python() -> None:
    program = (
        "import sys, ray_remote_nni.records, ray_remote_nni.records.feed, ray_remote_nni.records.requests; "
        "import ray_remote_nni.records.shapes; "
        "print(sorted({'ray', 'pydantic', 'rich', 'yaml', 'numpy', 'hyperopt', 'asyncssh'} & set(sys.modules)))"
    )
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert found.stdout == "[]\n"


def as_somebody_without_rights(do: Callable[[], None]) -> None:
    child = os.fork()
    if child == 0:
        try:
            if os.getuid() == 0:
                os.setuid(65534)
            do()
        except BaseException:
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
