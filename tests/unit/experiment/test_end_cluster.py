"""What `down` says of a machine that does not answer: its cause once, and what became of the rest."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest
from experiment_values import experiment_entry, new_records

from ray_remote_nni.cluster.state import ClusterState, MachineState
from ray_remote_nni.cluster.together import MachinesFailed
from ray_remote_nni.cluster.transport import Transport
from ray_remote_nni.errors import MachineError
from ray_remote_nni.experiment import run
from ray_remote_nni.experiment.access import ClusterAccess
from ray_remote_nni.experiment.run import EndedCluster, end_cluster

OFF = "port 22 cannot be reached: No route to host."


class AccessToNothing(ClusterAccess):
    """All machines are off."""

    async def connect(self, node: MachineState) -> Transport:
        raise MachineError(node.label, OFF)


def end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, force: bool) -> tuple[EndedCluster | str, list[str]]:
    """Take down a cluster of two machines that are off, with trials on the second; return the end and the rows."""
    monkeypatch.setenv("HOME", str(tmp_path))
    machines = tuple(
        MachineState(host, None, None, n, host, "/home/a", "python3", f"/home/a/{n}", f"/home/a/{n}", ())
        for n, host in enumerate(("gpu1", "gpu2"))
    )
    state = ClusterState("abc123", "/c.yml", "remote", "up", 1.0, "token", "lib", "2.60.0", "gpu1:1", 2, machines)
    state.save()
    entries = [experiment_entry(tmp_path / name, experiment_id=name) for name in ("exp00001", "exp00002")]
    for entry in entries:
        entry.save()
        with new_records(entry.mirror, experiment_id=entry.experiment_id) as store:
            store.add_trial("aaaaa", 0, {"x": 0.5}, start=True)
            store.finish(
                "aaaaa", 1, "FAILED", machine="gpu2", end_time=2.0, outcome="ended", metrics=[], gpu_indices=()
            )
    rows: list[str] = []
    try:
        ended = asyncio.run(
            end_cluster(AccessToNothing(state, None), lambda host, what: rows.append(f"{host}  {what}"), force=force)
        )
    except MachinesFailed as error:
        return str(error), rows
    return ended, rows


def told(said: Sequence[str], host: str) -> int:
    return sum(line.startswith(host) and OFF in line for line in said)


def test_why_a_machine_cannot_be_reached_is_told_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    error, rows = end(tmp_path, monkeypatch, force=False)
    assert isinstance(error, str)
    said = [*rows, *error.splitlines()]
    assert (told(said, "gpu1"), told(said, "gpu2")) == (1, 1)
    assert "gpu1  the records of experiments could not be brought here" in rows
    assert "gpu2  the output of trials of exp00002 could not be brought here" in rows


def test_with_force_it_is_told_once_too_and_the_machines_are_returned(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended, rows = end(tmp_path, monkeypatch, force=True)
    assert isinstance(ended, EndedCluster)
    assert [error.machine for error in ended.failed] == ["gpu1", "gpu2"]
    assert (told(rows, "gpu1"), told(rows, "gpu2")) == (1, 1)


def test_another_cause_than_that_which_keeps_it_from_being_stopped_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def take_down(*_: object, **__: object) -> Sequence[MachineError]:
        return ()

    monkeypatch.setattr(run, "take_down", take_down)
    _, rows = end(tmp_path, monkeypatch, force=False)
    assert (told(rows, "gpu1"), told(rows, "gpu2")) == (1, 1)
