"""`up`: from a request to a running cluster; repeated, it adds what is missing and restarts what died."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace

from ray_remote_nni.cluster.alone import alone_with
from ray_remote_nni.cluster.dependencies import ROOTS, plan_dependencies
from ray_remote_nni.cluster.distributions import available_here
from ray_remote_nni.cluster.forward import PREFERRED_PORT, start_forward
from ray_remote_nni.cluster.launch import bring_dependencies, clear_machine, launch_node
from ray_remote_nni.cluster.leaving import BeforeStop, Parting
from ray_remote_nni.cluster.library import our_library
from ray_remote_nni.cluster.membership import (
    Members,
    changed_nodes,
    check_head,
    check_unchanged,
    find_cluster,
    members_of,
    wanted_head,
)
from ray_remote_nni.cluster.neighbours import Neighbour, find_addresses
from ray_remote_nni.cluster.plan import plan_cluster
from ray_remote_nni.cluster.provision import with_ray
from ray_remote_nni.cluster.reached import ReachedMachine, Report, question, reach
from ray_remote_nni.cluster.remarks import twins
from ray_remote_nni.cluster.remembering import added, new_state, with_missing
from ray_remote_nni.cluster.request import ClusterRequest
from ray_remote_nni.cluster.requirements import check_machines
from ray_remote_nni.cluster.state import ClusterState, load_state
from ray_remote_nni.cluster.teardown import stop_forward
from ray_remote_nni.cluster.together import MachinesFailed, failures_of, led, on_all
from ray_remote_nni.cluster.transport import Transport
from ray_remote_nni.errors import ClusterError

#: `before_join(cluster, connection to its head)`: nodes of this cluster, which runs, are about to be started.
BeforeJoin = Callable[[ClusterState, Transport], Awaitable[None]]


@dataclass(frozen=True)
class BroughtUp:
    """The cluster, the hosts on which a node had to be started for it, and those that are not part of it any more.

    `without` are those that it goes without since they failed now.
    """

    state: ClusterState
    started: tuple[str, ...]
    left: tuple[str, ...] = ()
    without: tuple[str, ...] = ()


async def bring_up(
    request: ClusterRequest,
    report: Report,
    *,
    allow_partial: bool = False,
    force: bool = False,
    before_stop: BeforeStop | None = None,
    before_join: BeforeJoin | None = None,
) -> BroughtUp:
    """Make the cluster run, with the machines that are wanted now.

    Raises ClusterError that names each machine that failed, and why; what this call started is stopped then. With
    `allow_partial`, or where the cluster goes without machines already, it goes on without those, as long as the head
    is not among them.
    Nodes that are not wanted any more, or with other settings, are stopped after `before_stop(cluster, nodes)`, which
    may raise. With `force` those that cannot be reached are forgotten. Nodes join a cluster that runs after
    `before_join(cluster, connection to the head)`.
    Of two commands that want the same cluster the second waits, and finds it up.
    """
    first = request.machines[0].settings.host
    waiting = "another command is at work on this cluster; waiting for it"
    config, machines = str(request.config.absolute()), [machine.identity for machine in request.machines]
    async with alone_with(config, machines, lambda: report(first, waiting)):
        return await _bring_up(request, report, allow_partial, force, before_stop, before_join)


async def _bring_up(
    request: ClusterRequest,
    report: Report,
    allow_partial: bool,
    force: bool,
    before_stop: BeforeStop | None,
    before_join: BeforeJoin | None,
) -> BroughtUp:
    known = find_cluster(request)
    members = members_of(request, known)
    heads = {request.machines[wanted_head(request)].label}
    if known is not None:
        check_head(request, known, members)
        heads.add(request.machines[members.indices.index(known.head.index)].label)
    name = known.name if known is not None else secrets.token_hex(3)
    left_out: set[str] = set()
    connections: dict[int, Transport] = {}
    try:
        while True:
            try:
                machines: Sequence[ReachedMachine] = await on_all(
                    reach(
                        machine,
                        connections,
                        question(request, index, members.next_index, name),
                        index,
                        request.platform,
                        report,
                    )
                    for index, machine in zip(members.indices, request.machines, strict=True)
                    if machine.label not in left_out
                )
                if known is None:
                    heads = {request.machines[wanted_head(request, machines)].label}
                same = twins([m.requested.settings for m in machines], [m.facts for m in machines])
                for machine, found in zip(machines, same, strict=True):
                    for remark in found:
                        report(machine.host, f"warning: {remark.what} {remark.remedy}")
                machines = await with_ray(request, known, machines, report)
                if errors := check_machines([m.requested.settings for m in machines], [m.facts for m in machines]):
                    raise MachinesFailed(errors)
                machines = await _with_addresses(request, known, machines)
                parting = Parting(request, report, members.leaving, force, before_stop)
                brought = await _start_missing(request, known, name, members, machines, parting, before_join, report)
                return _going_without(brought, [m.label for m in request.machines if m.label in left_out])
            except MachinesFailed as error:
                failed = {one.machine for one in error.errors}
                if heads & failed:
                    raise
                if not (allow_partial or (known is not None and (known.missing or known.partial))):
                    raise MachinesFailed(error.errors, _advice(request, known, failed)) from error
                for one in error.errors:
                    report(one.machine, f"left out: {one.what}" + (f" {one.remedy}" if one.remedy else ""))
                left_out |= failed
    finally:
        await asyncio.gather(*(connection.close() for connection in connections.values()), return_exceptions=True)


def _going_without(brought: BroughtUp, labels: Sequence[str]) -> BroughtUp:
    """Remember whether the cluster goes without some machines, so that a `run` on it does so too."""
    state = replace(brought.state, partial=bool(labels))
    if state != brought.state:
        state.save()
    return replace(brought, state=state, without=tuple(labels))


def _advice(request: ClusterRequest, known: ClusterState | None, failed: set[str]) -> str:
    """Return how to go on without the machines that failed."""
    them = "it" if len(failed) == 1 else "them"
    up = f"ray-nni up {request.config}"
    advice = f"To go on without {them}: {up} --allow-partial"
    if known is None or not any(node.label in failed for node in known.machines):
        return advice
    return (
        f"{advice}\nGone for good? Take {them} out of the machineList, or say `enabled: false` in `ray.machines`; "
        f"then: {up} --force"
    )


async def _with_addresses(
    request: ClusterRequest, known: ClusterState | None, machines: Sequence[ReachedMachine]
) -> Sequence[ReachedMachine]:
    """Return the machines with the addresses by which the others reach them. Raises ClusterError where none leads."""
    if request.platform == "local":
        return machines
    if known is not None and all(machine.facts.guard is not None for machine in machines):
        found = {node.index: node.address for node in known.machines}
        addresses: Sequence[str] = [found[machine.index] for machine in machines]
    else:
        neighbours = [Neighbour(m.requested.settings, m.connection, m.facts) for m in machines]
        addresses = await find_addresses(neighbours, request.head_host, request.ports)
    return [
        replace(
            machine,
            requested=replace(machine.requested, settings=replace(machine.requested.settings, address=address)),
        )
        for machine, address in zip(machines, addresses, strict=True)
    ]


async def _start_missing(
    request: ClusterRequest,
    known: ClusterState | None,
    name: str,
    members: Members,
    machines: Sequence[ReachedMachine],
    parting: Parting,
    before_join: BeforeJoin | None,
    report: Report,
) -> BroughtUp:
    by_index = {machine.index: machine for machine in machines}
    library, _ = our_library()
    head = members.indices[wanted_head(request, machines)]
    running = None
    if known is not None and known.status == "up" and by_index[known.head.index].facts.guard is not None:
        running, head = known, known.head.index
    await by_index[head].connection.check_forwarding()
    left = tuple(node.label for node in members.leaving)
    changed: set[int] = set()
    if running is not None:
        check_library(running)
        check_unchanged(running, request)
        if members.indices[wanted_head(request, machines)] != head and request.head_host is not None:
            report(running.head.label, f"warning: it stays the head; {request.head_host} is, after a down and an up")
        changed = await parting.restart(running, changed_nodes(running, request, machines), by_index)
    if known is not None:
        await parting.leave(known, None if running is None else by_index[head])
    missing = [m for m in machines if running is None or m.facts.guard is None or m.index in changed]
    if running is not None and not missing:
        state = replace(with_missing(running, request, members), next_index=members.next_index)
        state = replace(state, machines=tuple(node for node in state.machines if node not in members.leaving))
        if state != load_state(name):
            state.save()
        return BroughtUp(_with_forward(request, state), (), left)
    if known is not None:
        # Leftovers of a node that died, or of an `up` or `down` that was cut short.
        await on_all(clear_machine(machine, known, report) for machine in missing if machine.index not in changed)
    head_place = next(place for place, machine in enumerate(machines) if machine.index == head)
    facts = [machine.facts for machine in machines]
    dependencies = plan_dependencies(available_here(ROOTS), facts[head_place])
    plan = plan_cluster(
        name,
        [machine.requested.settings for machine in machines],
        facts,
        head=head_place,
        library=library,
        dependencies=dependencies.folder,
        gcs_address=running.gcs_address if running is not None else None,
        indices=[machine.index for machine in machines],
        tls=request.tls,
        fixed_ports=request.ports,
    )
    state = new_state(request, plan, by_index, library)
    if running is not None:
        state = added(running, state, {machine.index for machine in missing}, members)
    # Before anything starts: whoever is killed now leaves word of what to look for.
    state = replace(with_missing(state, request, members), next_index=members.next_index)
    state.save()
    starts = {
        node.index: launch_node(by_index[node.index], node, state, report)
        for node in plan.nodes
        if by_index[node.index] in missing
    }
    try:
        if running is not None:
            if before_join is not None:
                await before_join(state, by_index[head].connection)
            await on_all(starts.values())
        else:
            report(by_index[head].host, "starting the head")
            bringing = bring_dependencies(by_index[head], dependencies)
            await led(starts.pop(head), [*starts.values(), bringing])
    except BaseException:
        # What made it fail is what its user has to know, whatever goes wrong with clearing up.
        uncleared = await failures_of(clear_machine(machine, state, report) for machine in missing)
        for error in uncleared:
            report(error.machine, f"something of it may still run there: {error.what} Type: ray-nni down {name}")
        if running is not None:
            gone = {machine.index for machine in missing}
            kept = tuple(node for node in state.machines if node.index not in gone)
            with_missing(replace(state, machines=kept), request, members).save()
        elif not uncleared:
            state.forget()
        raise
    state = replace(state, status="up")
    state.save()
    return BroughtUp(_with_forward(request, state), tuple(machine.host for machine in missing), left)


def check_library(running: ClusterState) -> None:
    """Raise ClusterError where another version of this package has started the cluster."""
    if running.library != our_library()[0]:
        raise ClusterError(
            f"Cluster {running.name} was started by another version of ray-nni, and runs its code. "
            "Type: ray-nni down, then ray-nni up."
        )


def _with_forward(request: ClusterRequest, state: ClusterState) -> ClusterState:
    """Return the state with a forward to the dashboard that lives; it comes back on the port that it had."""
    login = request.machine(state.head.identity)
    if login is None or login.login is None or (state.forward is not None and state.forward.alive()):
        return state
    preferred = state.forward.port if state.forward is not None else PREFERRED_PORT
    stop_forward(state)
    state = replace(state, forward=start_forward(state.name, login.login, state.dashboard_port, preferred))
    state.save()
    return state
