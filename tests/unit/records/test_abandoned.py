"""An experiment whose driver died is recorded as that by whoever looks next."""

from __future__ import annotations

import fcntl
import subprocess
import sys
from pathlib import Path

import pytest

from ray_remote_nni.records import RecordReader, RecordStore
from ray_remote_nni.records.abandoned import LOCK_FILE, close_abandoned
from ray_remote_nni.records.feed import main


@pytest.fixture
def dead(store: RecordStore) -> RecordStore:
    """Records of an experiment that ran, with one trial under way, when its driver was killed."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    store.set_driver(process.pid, now=1.0)
    process.wait()
    store.add_trial("aaa", 0, {"x": 0.5})
    return store


def test_it_is_in_error_and_its_running_trials_wait(dead: RecordStore, reader: RecordReader, path: Path) -> None:
    close_abandoned(path.parent)
    experiment, (trial,) = reader.experiment(), reader.trials()
    assert (experiment.status, experiment.error) == ("ERROR", "its driver died")
    assert trial.status == "WAITING"


def test_looking_once_records_it_and_tells_of_it(
    dead: RecordStore, path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(path.parent), "--since", "0"]) == 0
    assert '"status":"ERROR"' in capsys.readouterr().out.splitlines()[-1]


def test_a_driver_that_lives_is_left_alone(store: RecordStore, reader: RecordReader, path: Path) -> None:
    store.set_driver()
    close_abandoned(path.parent)
    assert reader.experiment().status == "RUNNING"


def test_a_driver_that_is_just_taking_over_is_left_alone(dead: RecordStore, reader: RecordReader, path: Path) -> None:
    with (path.parent / LOCK_FILE).open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        close_abandoned(path.parent)
    assert reader.experiment().status == "RUNNING"


def test_where_there_are_no_records_there_is_nothing_to_do(tmp_path: Path) -> None:
    close_abandoned(tmp_path)
    assert list(tmp_path.iterdir()) == []
