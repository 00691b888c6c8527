"""Of two commands that want the same cluster at the same time, one brings it up."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest
from machine_values import cluster_state

from ray_remote_nni.cluster import alone, bringup
from ray_remote_nni.cluster.bringup import BroughtUp, bring_up
from ray_remote_nni.cluster.plan import MachineSettings
from ray_remote_nni.cluster.request import ClusterRequest, RequestedMachine


def a_request(host: str) -> ClusterRequest:
    return ClusterRequest(Path(f"/{host}.yml"), "local", (RequestedMachine(MachineSettings(host), None),), None)


def bring_up_at_once(monkeypatch: pytest.MonkeyPatch, *hosts: str) -> tuple[int, list[str]]:
    """Bring clusters up at once; return how many were ever at work together, and what was reported."""
    at_work, most, reported = 0, 0, []

    async def work(*_: object) -> BroughtUp:
        nonlocal at_work, most
        at_work += 1
        most = max(most, at_work)
        await asyncio.sleep(0.05)
        at_work -= 1
        return BroughtUp(cluster_state(), ())

    monkeypatch.setattr(alone, "_POLL_S", 0.01)
    monkeypatch.setattr(bringup, "_bring_up", work)

    async def up() -> None:
        await asyncio.gather(*(bring_up(a_request(host), lambda _, what: reported.append(what)) for host in hosts))

    asyncio.run(up())
    return most, reported


def test_the_second_of_two_waits_and_says_so(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    most, reported = bring_up_at_once(monkeypatch, "gpu1", "gpu1")
    assert most == 1
    assert reported == ["another command is at work on this cluster; waiting for it"]


def test_clusters_of_other_machines_do_not_wait_for_each_other(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert bring_up_at_once(monkeypatch, "gpu1", "gpu2") == (2, [])


def test_a_command_that_failed_keeps_nobody_waiting(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def fail(*_: object) -> BroughtUp:
        raise ZeroDivisionError

    monkeypatch.setattr(bringup, "_bring_up", fail)
    for _ in range(2):
        with pytest.raises(ZeroDivisionError):
            asyncio.run(bring_up(a_request("gpu1"), lambda *_: None))


def test_no_lock_is_left_and_each_of_many_that_wait_for_it_has_its_turn_alone(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    most, _ = bring_up_at_once(monkeypatch, *["gpu1"] * 8)
    assert most == 1
    assert list((home / ".ray-nni/clusters").iterdir()) == []


def test_a_lock_that_its_owner_removed_is_not_taken_for_the_new_one(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "lock"
    first = alone._lock(path)
    assert first is not None
    late = os.open(path, os.O_RDWR)  # by somebody who looked before it went
    alone._unlock(path, first)
    second = alone._lock(path)
    assert second is not None
    monkeypatch.setattr(os, "open", lambda *_: late)
    assert alone._lock(path) is None
    os.close(second)
