"""`up` where a machine does not answer: what it goes without, what it says, and what other commands then do."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest
from machine_values import cluster_state, facts, machine_state

from ray_remote_nni.cluster import bringup
from ray_remote_nni.cluster.bringup import BroughtUp, bring_up
from ray_remote_nni.cluster.library import our_library
from ray_remote_nni.cluster.local import LocalTransport
from ray_remote_nni.cluster.plan import MachineSettings, NodePlan
from ray_remote_nni.cluster.reached import ReachedMachine, question
from ray_remote_nni.cluster.request import ClusterRequest, RequestedMachine
from ray_remote_nni.cluster.state import ClusterState, all_states, load_state
from ray_remote_nni.errors import ClusterError, MachineError

A, B, C = "192.0.2.1", "192.0.2.2", "192.0.2.3"
REQUEST = ClusterRequest(
    Path("/home/alice/config.yml"),
    "remote",
    tuple(RequestedMachine(MachineSettings(host), None) for host in (A, B, C)),
    None,
)


@pytest.fixture
def cluster(home: Path) -> ClusterState:
    """A cluster of three machines that is up."""
    machines = tuple(machine_state(host, user=None, index=index) for index, host in enumerate((A, B, C)))
    state = cluster_state(library=our_library()[0], machines=machines)
    state.save()
    return state


@pytest.fixture
def off(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """The machines that are off; on the others the cluster's node runs, if there is a cluster."""
    hosts: set[str] = set()

    async def reach(
        machine: RequestedMachine, connections: object, asked: object, index: int, *_: object
    ) -> ReachedMachine:
        if machine.label in hosts:
            raise MachineError(machine.label, "it is off.", "Is the machine on?")
        running = load_state("abc123") is not None
        found = facts(hostname=machine.label, ssh_address=machine.label, guard=4711 if running else None)
        return ReachedMachine(machine, LocalTransport(), found, question(REQUEST, index, 3, "abc123"), index)

    async def with_ray(
        request: object, known: object, machines: Sequence[ReachedMachine], report: object
    ) -> Sequence[ReachedMachine]:
        return machines

    monkeypatch.setattr(bringup, "reach", reach)
    monkeypatch.setattr(bringup, "with_ray", with_ray)
    return hosts


def up(*, allow_partial: bool = False) -> tuple[BroughtUp, list[tuple[str, str]]]:
    rows: list[tuple[str, str]] = []
    brought = asyncio.run(bring_up(REQUEST, lambda *row: rows.append(row), allow_partial=allow_partial))
    return brought, rows


def test_a_node_that_is_off_is_gone_without_and_stays_to_be_stopped(cluster: ClusterState, off: set[str]) -> None:
    off.add(B)
    brought, rows = up(allow_partial=True)
    assert (brought.started, brought.without) == ((), (B,))
    assert (B, "left out: it is off. Is the machine on?") in rows
    assert brought.state.machines == cluster.machines


def test_what_a_cluster_goes_without_once_it_goes_without_until_that_is_mended(
    cluster: ClusterState, off: set[str]
) -> None:
    off.add(B)
    up(allow_partial=True)
    assert up()[0].without == (B,)
    off.clear()
    assert up()[0].without == ()
    off.add(B)
    with pytest.raises(ClusterError):
        up()


def test_a_node_that_is_off_is_an_error_that_says_how_to_go_on_without_it(cluster: ClusterState, off: set[str]) -> None:
    off.add(C)
    with pytest.raises(ClusterError) as caught:
        up()
    assert str(caught.value).splitlines() == [
        f"{C}: it is off. Is the machine on?",
        "To go on without it: ray-nni up /home/alice/config.yml --allow-partial",
        "Gone for good? Take it out of the machineList, or say `enabled: false` in `ray.machines`; then: "
        "ray-nni up /home/alice/config.yml --force",
    ]


def test_without_the_head_there_is_no_going_on(cluster: ClusterState, off: set[str]) -> None:
    off.add(A)
    with pytest.raises(ClusterError) as caught:
        up(allow_partial=True)
    assert str(caught.value) == f"{A}: it is off. Is the machine on?"


def test_the_start_of_the_head_is_told_once_before_it_is_up(
    home: Path, off: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def find_addresses(*_: object) -> list[str]:
        return [A, B, C]

    async def launch_node(machine: ReachedMachine, node: NodePlan, state: object, report: bringup.Report) -> None:
        report(machine.host, "up")

    async def bring_dependencies(*_: object) -> None: ...

    monkeypatch.setattr(bringup, "find_addresses", find_addresses)
    monkeypatch.setattr(bringup, "launch_node", launch_node)
    monkeypatch.setattr(bringup, "bring_dependencies", bring_dependencies)
    _, rows = up()
    assert rows == [(A, "starting the head"), (A, "up"), (B, "up"), (C, "up")]


def test_a_start_that_cannot_be_cleared_up_tells_of_its_own_cause_and_is_left_for_down(
    home: Path, off: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def addresses(request: object, known: object, machines: Sequence[ReachedMachine]) -> Sequence[ReachedMachine]:
        return machines

    async def fail(machine: ReachedMachine, *_: object) -> None:
        raise MachineError(machine.host, "its disk is full.")

    async def stuck(machine: ReachedMachine, *_: object) -> None:
        if machine.host == B:
            raise MachineError(B, "the connection was lost.")

    monkeypatch.setattr(bringup, "_with_addresses", addresses)
    monkeypatch.setattr(bringup, "launch_node", fail)
    monkeypatch.setattr(bringup, "bring_dependencies", stuck)
    monkeypatch.setattr(bringup, "clear_machine", stuck)
    rows: list[tuple[str, str]] = []
    with pytest.raises(ClusterError, match="its disk is full"):
        asyncio.run(bring_up(REQUEST, lambda *row: rows.append(row)))
    (state,) = all_states()
    assert (B, f"something of it may still run there: the connection was lost. Type: ray-nni down {state.name}") in rows
