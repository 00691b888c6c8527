"""Watching an experiment, and waiting for its stop, whatever breaks meanwhile."""

from __future__ import annotations

import asyncio
import resource
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from experiment_values import new_records
from this_machine import cluster, record_on_head

from ray_remote_nni.cluster.local import LocalTransport
from ray_remote_nni.errors import MachineError
from ray_remote_nni.experiment.access import ClusterAccess
from ray_remote_nni.experiment.attach import DriverDied, attach
from ray_remote_nni.experiment.head import Head
from ray_remote_nni.experiment.mirror import catch_up
from ray_remote_nni.experiment.registry import ExperimentEntry
from ray_remote_nni.experiment.stop import stop_experiment


def test_watching_waits_where_a_full_disk_here_takes_no_records_until_there_is_room(
    home: Path, entry: ExperimentEntry
) -> None:
    record_on_head(home, ("aB3dE", "localhost"))
    room = resource.getrlimit(resource.RLIMIT_FSIZE)
    said = []

    def trouble(message: str) -> None:
        said.append(message)
        if message:
            resource.setrlimit(resource.RLIMIT_FSIZE, room)

    # Bytecode that is cut off Python takes for whole, in all later tests: what the head runs is compiled before.
    asyncio.run(catch_up(replace(entry, directory=f"{entry.directory}-before"), Head(cluster(home), LocalTransport())))
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, room[1]))
    try:
        status = asyncio.run(attach(entry, ClusterAccess(cluster(home), None), lambda: None, trouble))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, room)
    assert status == "DONE"
    assert [bool(message) for message in said] == [False, True, False]
    assert f"{entry.mirror}: nothing can be recorded" in said[1]
    assert "The experiment goes on there; trying again." in said[1]


def test_a_driver_that_died_while_the_connection_was_lost_is_told_as_soon_as_that_is_back(
    home: Path, entry: ExperimentEntry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ray_remote_nni.experiment.attach._UNSEEN_S", 1000.0)
    with new_records(home / ".ray-nni" / "experiments" / "exp12345" / "records.sqlite") as store:
        store.set_driver()

        # The first time it is seen alive.
        lost = iter([False, True])

        def changed() -> None:
            if next(lost, False):
                store.set_driver(pid=2**22 + 1, start=1, now=1.0)
                raise MachineError("localhost", "the connection was lost.")

        watching = attach(entry, ClusterAccess(cluster(home), None), changed, lambda message: None)
        with pytest.raises(DriverDied):
            asyncio.run(asyncio.wait_for(watching, 20))


def test_a_stop_waits_until_a_machine_that_hangs_is_given_up(
    home: Path, entry: ExperimentEntry, monkeypatch: pytest.MonkeyPatch
) -> None:
    with new_records(home / ".ray-nni" / "experiments" / "exp12345" / "records.sqlite") as store:
        store.set_driver()
        now = time.monotonic()

        async def ten_seconds_later(_: float) -> None:
            nonlocal now
            now += 10
            if now - began >= 40:
                store.set_status("STOPPED")

        began = now
        monkeypatch.setattr("ray_remote_nni.experiment.stop.time.monotonic", lambda: now)
        monkeypatch.setattr("ray_remote_nni.experiment.stop.asyncio", SimpleNamespace(sleep=ten_seconds_later))
        pulse = asyncio.run(stop_experiment(entry, Head(cluster(home), LocalTransport())))
    assert pulse is not None
    assert pulse.status == "STOPPED"


def test_a_driver_whose_records_cannot_be_read_is_told_with_what_is_wrong_with_them(
    home: Path, entry: ExperimentEntry
) -> None:
    file = home / ".ray-nni" / "experiments" / "exp12345" / "records.sqlite"
    file.parent.mkdir(parents=True)
    file.write_bytes(b"no records" * 1000)
    watching = attach(entry, ClusterAccess(cluster(home), None), lambda: None, lambda message: None)
    with pytest.raises(DriverDied, match="is not an experiment's records"):
        asyncio.run(asyncio.wait_for(watching, 20))
    assert asyncio.run(catch_up(entry, Head(cluster(home), LocalTransport()))) is None
