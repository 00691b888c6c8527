from __future__ import annotations

import json
import random
import sqlite3
from pathlib import Path

import pytest

from ray_remote_nni.records import RecordReader, RecordStore, RecordsUnreadable
from ray_remote_nni.records.changes import BATCH, Change, apply_changes, changes_since, last_rev
from ray_remote_nni.records.schema import COLUMNS, KEYS


@pytest.fixture
def mirror(tmp_path: Path) -> Path:
    return tmp_path / "client" / "k3f9x2ab" / "records.sqlite"


def everything(path: Path) -> dict[str, list[tuple[object, ...]]]:
    connection = sqlite3.connect(path)
    tables = {
        table: connection.execute(f"SELECT {', '.join(COLUMNS[table])} FROM {table} ORDER BY rev").fetchall()
        for table in KEYS
    }
    connection.close()
    return tables


def pull(path: Path, mirror: Path) -> None:
    for batch in changes_since(path, last_rev(mirror)):
        apply_changes(mirror, batch)


def live(store: RecordStore, first: int = 0, count: int = 5) -> None:
    for sequence in range(first, first + count):
        trial_id = f"t{sequence}"
        store.add_trial(trial_id, sequence, {"x": sequence, "layer": {"_name": "conv", "größe": None}})
        store.start_attempt(trial_id, 1)
        store.add_metrics(trial_id, 1, [(0, "PERIODICAL", float("nan"), 1.0), (1, "PERIODICAL", {"default": 1}, 2.0)])
        if sequence % 5 == 4:
            store.requeue_trial(trial_id)
        else:
            store.finish(trial_id, 1, "SUCCEEDED", machine="192.0.2.1", value=float("inf"), metric={"default": 1})
        store.add_notice("warning", "ünïcode\n\x1b[0m", trial_id)


def test_a_mirror_is_the_same_as_what_it_mirrors(store: RecordStore, path: Path, mirror: Path) -> None:
    live(store)
    assert last_rev(mirror) == 0
    pull(path, mirror)
    assert everything(mirror) == everything(path)
    store.set_status("DONE")
    live(store, first=5)
    pull(path, mirror)
    assert everything(mirror) == everything(path)


def test_the_reader_reads_a_mirror(store: RecordStore, path: Path, reader: RecordReader, mirror: Path) -> None:
    live(store)
    pull(path, mirror)
    with RecordReader(mirror) as copy:
        assert copy.experiment() == reader.experiment()
        assert copy.counts() == reader.counts()
        assert list(map(repr, copy.trials())) == list(map(repr, reader.trials()))
        assert copy.notices() == reader.notices()


def test_an_experiment_can_go_on_from_its_mirror(store: RecordStore, path: Path, mirror: Path, tmp_path: Path) -> None:
    live(store)
    pull(path, mirror)
    store.close()
    path.unlink()

    again = tmp_path / "new-head.sqlite"
    again.write_bytes(mirror.read_bytes())
    with RecordStore.open(again) as resumed:
        resumed.set_driver()
        live(resumed, first=5)
        pull(again, mirror)
    assert everything(mirror) == everything(again)


def test_every_change_has_a_revision_of_its_own_that_grows(store: RecordStore, path: Path) -> None:
    live(store, count=10)
    revisions = [change.rev for batch in changes_since(path, 0) for change in batch]
    assert revisions == sorted(set(revisions))


def test_only_what_changed_comes_and_nothing_when_nothing_did(store: RecordStore, path: Path) -> None:
    live(store)
    (batch,) = changes_since(path, 0)
    newest = batch[-1].rev
    assert list(changes_since(path, newest)) == []
    store.end_trial("t4", "FAILED")
    (batch,) = changes_since(path, newest)
    assert [(change.table, change.row["trial_id"]) for change in batch] == [("trials", "t4")]


def test_many_changes_come_in_batches_after_any_of_which_one_can_go_on(store: RecordStore, path: Path) -> None:
    store.add_trial("aaa", 0, {})
    store.add_metrics("aaa", 1, [(number, "PERIODICAL", number, 1.0) for number in range(2 * BATCH)])
    batches = list(changes_since(path, 0))
    assert [len(batch) for batch in batches] == [BATCH, BATCH, 2]
    rest = [change for batch in changes_since(path, batches[0][-1].rev) for change in batch]
    assert rest == batches[1] + batches[2]


def test_what_changes_between_two_batches_is_not_lost(store: RecordStore, path: Path, mirror: Path) -> None:
    store.add_trial("aaa", 0, {})
    store.add_metrics("aaa", 1, [(number, "PERIODICAL", number, 1.0) for number in range(2 * BATCH)])
    for number, batch in enumerate(changes_since(path, 0)):
        apply_changes(mirror, batch)
        if number == 0:
            live(store, first=1)
    assert everything(mirror) == everything(path)


def test_changes_may_be_applied_twice_or_out_of_order(store: RecordStore, path: Path, mirror: Path) -> None:
    seen: list[Change] = []
    for first in range(0, 20, 5):
        live(store, first=first)
        seen += [change for batch in changes_since(path, 0) for change in batch]
    random.Random(0).shuffle(seen)
    for start in range(0, len(seen), 17):
        apply_changes(mirror, seen[start : start + 17])
    pull(path, mirror)
    assert everything(mirror) == everything(path)


def test_changes_are_json(store: RecordStore, path: Path) -> None:
    live(store)
    for batch in changes_since(path, 0):
        for change in batch:
            assert json.loads(json.dumps(change.row, allow_nan=False)) == change.row


def test_a_mirror_takes_no_other_experiments_changes(store: RecordStore, path: Path, mirror: Path) -> None:
    pull(path, mirror)
    (batch,) = changes_since(path, 0)
    stranger = Change("experiment", {**batch[0].row, "id": "other"}, batch[0].rev + 1)
    with pytest.raises(RecordsUnreadable, match="no mirror of other"):
        apply_changes(mirror, [stranger])
    assert everything(mirror) == everything(path)


def test_a_mirror_leaves_out_what_only_a_newer_version_knows(store: RecordStore, path: Path, mirror: Path) -> None:
    live(store)
    for batch in changes_since(path, 0):
        apply_changes(mirror, [Change(change.table, {**change.row, "novel": 1}, change.rev) for change in batch])
    apply_changes(mirror, [Change("novelties", {"rev": 10**6}, 10**6)])
    assert everything(mirror) == everything(path)


def test_a_mirror_can_be_read_while_it_is_written(store: RecordStore, path: Path, mirror: Path) -> None:
    pull(path, mirror)
    with RecordReader(mirror) as copy:
        for sequence in range(10):
            store.add_trial(f"t{sequence}", sequence, {})
            pull(path, mirror)
            assert len(copy.trials()) == sequence + 1
