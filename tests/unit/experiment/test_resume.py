"""Resuming an experiment that is DONE: with nothing left to do, or no Ray to do it, no driver is started."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

import pytest
from experiment_values import experiment_entry, new_records

import ray_remote_nni
from ray_remote_nni.cluster.state import ClusterState, MachineState
from ray_remote_nni.errors import ClusterError
from ray_remote_nni.experiment import run
from ray_remote_nni.experiment.access import ClusterAccess
from ray_remote_nni.experiment.head import Head
from ray_remote_nni.experiment.mirror import RecordsNotRead
from ray_remote_nni.experiment.registry import ExperimentEntry
from ray_remote_nni.experiment.run import NothingLeft, resume_experiment
from ray_remote_nni.guard.processes import read_process
from ray_remote_nni.guard.start import IDENTITY_FILE, write_identity
from ray_remote_nni.records.requests import add_request
from ray_remote_nni.records.schema import RECORDS_FILE


class DriverStarted(Exception):
    """Stands for the start of a driver, for which a cluster is needed."""


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The home of this machine, which is the head as well; a driver that is started is told by DriverStarted.

    This process stands for the guard of its node.
    """
    (tmp_path / ".ray-nni" / "lib").mkdir(parents=True)
    (tmp_path / ".ray-nni" / "lib" / "ray-nni-lib").symlink_to(Path(ray_remote_nni.__file__).parents[1])
    (tmp_path / "n").mkdir()
    own = read_process(os.getpid())
    assert own is not None
    write_identity(tmp_path / "n", own.pid, own.start_ticks)
    monkeypatch.setenv("HOME", str(tmp_path))

    async def start_driver(entry: ExperimentEntry, head: Head) -> ExperimentEntry:
        raise DriverStarted

    monkeypatch.setattr(run, "start_driver", start_driver)
    return tmp_path


def resume(home: Path, *, most: int | None, request: str | None = None, damaged: bool = False) -> None:
    """Resume an experiment that is DONE after one trial, where `most` were allowed and `request` came afterwards."""
    file = home / ".ray-nni" / "experiments" / "exp12345" / RECORDS_FILE
    with new_records(file, max_trial_number=most) as store:
        store.add_trial("aaaaa", 0, {"x": 0.5}, start=True)
        store.finish("aaaaa", 1, "SUCCEEDED", value=0.5, metric=0.5, end_time=2.0, outcome="ended")
        store.set_status("DONE")
    if request == "update":
        add_request(file, "update", payload={"maxTrialNumber": 5})
    elif request == "stop":
        add_request(file, "stop")
    if damaged:
        file.write_bytes(b"no records" * 1000)
    machine = MachineState(
        "localhost", None, None, 0, "localhost", str(home), sys.executable, str(home / "n"), str(home / "n"), ()
    )
    state = ClusterState("abc123", "/c", "local", "up", 1.0, "t", "ray-nni-lib", "2.60.0", "localhost:1", 2, (machine,))
    asyncio.run(resume_experiment(experiment_entry(home / "mirror"), ClusterAccess(state, None), print, print))


def test_with_all_trials_run_it_is_not_resumed_and_what_to_type_is_said(home: Path) -> None:
    with pytest.raises(NothingLeft, match=r"its one trial has run.*ray-nni update exp12345 --max-trials N"):
        resume(home, most=1)


def test_a_stop_that_came_too_late_leaves_nothing_to_do(home: Path) -> None:
    with pytest.raises(NothingLeft):
        resume(home, most=1, request="stop")


def test_a_limit_that_was_raised_since_its_end_is_acted_on(home: Path) -> None:
    with pytest.raises(DriverStarted):
        resume(home, most=1, request="update")


@pytest.mark.parametrize("most", [2, None])
def test_with_trials_left_it_is_resumed(home: Path, most: int | None) -> None:
    with pytest.raises(DriverStarted):
        resume(home, most=most)


def test_records_that_cannot_be_read_are_told_as_that(home: Path) -> None:
    with pytest.raises(RecordsNotRead, match="is not an experiment's records"):
        resume(home, most=2, damaged=True)


def test_a_head_whose_ray_has_died_is_to_be_brought_up_first(home: Path) -> None:
    (home / "n" / IDENTITY_FILE).unlink()
    with pytest.raises(ClusterError, match=r"head, localhost\. Start it again: ray-nni up /c, then ray-nni resume exp"):
        resume(home, most=2)
