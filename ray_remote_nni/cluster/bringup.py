"""`up`: from a request to a running cluster; repeated, it adds what is missing and restarts what died."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from ray_remote_nni.cluster.alone import alone_with
from ray_remote_nni.cluster.certificates import make_authority
from ray_remote_nni.cluster.dependencies import ROOTS, plan_dependencies
from ray_remote_nni.cluster.distributions import available_here
from ray_remote_nni.cluster.forward import PREFERRED_PORT, start_forward
from ray_remote_nni.cluster.launch import bring_dependencies, clear_machine, launch_node
from ray_remote_nni.cluster.library import our_library
from ray_remote_nni.cluster.neighbours import Neighbour, find_addresses
from ray_remote_nni.cluster.plan import ClusterPlan, choose_head, offered_gpus, plan_cluster
from ray_remote_nni.cluster.provision import with_ray
from ray_remote_nni.cluster.reached import ReachedMachine, Report, question, reach
from ray_remote_nni.cluster.request import ClusterRequest
from ray_remote_nni.cluster.requirements import check_machines
from ray_remote_nni.cluster.state import ClusterState, MachineState, MissingMachine, all_states
from ray_remote_nni.cluster.teardown import stop_forward
from ray_remote_nni.cluster.together import MachinesFailed, failure, led, on_all
from ray_remote_nni.cluster.transport import Transport
from ray_remote_nni.errors import ClusterError


@dataclass(frozen=True)
class BroughtUp:
    """The cluster, and the hosts on which a node had to be started for it."""

    state: ClusterState
    started: tuple[str, ...]


def find_cluster(request: ClusterRequest) -> ClusterState | None:
    """Return the cluster of just these machines that this client has, if any."""
    return next((state for state in all_states() if request.matches(state)), None)


async def bring_up(request: ClusterRequest, report: Report, *, allow_partial: bool = False) -> BroughtUp:
    """Make the cluster run.

    Raises ClusterError that names each machine that failed, and why; what this call started is stopped then. With
    `allow_partial`, or where the cluster misses machines already, it goes on without those, as long as the head is
    not among them.
    Of two commands that want the same cluster the second waits, and finds it up.
    """
    first = request.machines[0].settings.host
    waiting = "another command is bringing this cluster up; waiting for it"
    async with alone_with(request, lambda: report(first, waiting)):
        return await _bring_up(request, report, allow_partial)


async def _bring_up(request: ClusterRequest, report: Report, allow_partial: bool) -> BroughtUp:
    known = find_cluster(request)
    name = known.name if known is not None else secrets.token_hex(3)
    left_out: set[str] = set()
    head = request.machines[choose_head([m.settings for m in request.machines], request.head_host)].label
    connections: dict[int, Transport] = {}
    try:
        while True:
            try:
                machines: Sequence[ReachedMachine] = await on_all(
                    reach(machine, connections, question(request, index, name), index, request.platform, report)
                    for index, machine in enumerate(request.machines)
                    if machine.label not in left_out
                )
                machines = await with_ray(request, known, machines, report)
                if errors := check_machines([m.requested.settings for m in machines], [m.facts for m in machines]):
                    raise failure(errors)
                if request.platform == "remote" and any(machine.facts.guard is None for machine in machines):
                    machines = await _with_addresses(request, machines)
                return await _start_missing(request, known, name, machines, report)
            except MachinesFailed as error:
                failed = {one.machine for one in error.errors}
                if head in failed or not (allow_partial or (known is not None and known.missing)):
                    raise
                for one in error.errors:
                    report(one.machine, f"left out: {one.what}")
                left_out |= failed
    finally:
        await asyncio.gather(*(connection.close() for connection in connections.values()), return_exceptions=True)


async def _with_addresses(request: ClusterRequest, machines: Sequence[ReachedMachine]) -> list[ReachedMachine]:
    """Return the machines with the addresses by which the others reach them. Raises ClusterError where none leads."""
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
    machines: Sequence[ReachedMachine],
    report: Report,
) -> BroughtUp:
    settings = [machine.requested.settings for machine in machines]
    facts = [machine.facts for machine in machines]
    whole = choose_head([machine.settings for machine in request.machines], request.head_host)
    head = next(position for position, machine in enumerate(machines) if machine.index == whole)
    library, _ = our_library()
    running = known is not None and known.status == "up" and facts[head].guard is not None
    if known is not None and running and known.library != library:
        raise ClusterError(
            f"Cluster {known.name} was started by another version of ray-nni, and runs its code. "
            "Type: ray-nni down, then ray-nni up."
        )
    if known is not None and running:
        _check_unchanged(known, request, machines)
    missing = [machine for machine in machines if not running or machine.facts.guard is None]
    if known is not None and not missing:
        return BroughtUp(_with_forward(request, known), ())
    if known is not None:
        # Leftovers of a node that died, or of an `up` or `down` that was cut short.
        await on_all(clear_machine(machine, known, report) for machine in missing)
    dependencies = plan_dependencies(available_here(ROOTS), facts[head])
    plan = plan_cluster(
        name,
        settings,
        facts,
        head=head,
        library=library,
        dependencies=dependencies.folder,
        gcs_address=known.gcs_address if known is not None and running else None,
        indices=[machine.index for machine in machines],
        tls=request.tls,
        fixed_ports=request.ports,
    )
    places = {machine.index: machine for machine in machines}
    state = _state(request, plan, places, library)
    if known is not None and running:
        # A node that is out of reach now may still have to be stopped one day.
        others = tuple(node for node in known.machines if node.index not in places)
        state = replace(known, machines=(*state.machines, *others))
    # Before anything starts: whoever is killed now leaves word of what to look for.
    state = _with_missing(state, request)
    state.save()
    starts = {
        node.index: launch_node(places[node.index], node, state, report)
        for node in plan.nodes
        if places[node.index] in missing
    }
    try:
        if running:
            await on_all(starts.values())
        else:
            bringing = bring_dependencies(machines[head], dependencies)
            await led(starts.pop(whole), [*starts.values(), bringing])
    except BaseException:
        await on_all(clear_machine(machine, state, report) for machine in missing)
        if known is not None and running:
            known.save()
        else:
            state.forget()
        raise
    state = replace(state, status="up")
    state.save()
    return BroughtUp(_with_forward(request, state), tuple(machine.host for machine in missing))


def _check_unchanged(known: ClusterState, request: ClusterRequest, machines: Sequence[ReachedMachine]) -> None:
    """Raise ClusterError where a machine runs with another Python or other GPUs than the configuration wants now.

    The same where the traffic is encrypted and should not be, or is not.
    """
    if request.tls != (known.authority is not None):
        raise ClusterError(
            f"Cluster {known.name} runs {'without' if request.tls else 'with'} TLS (ray.tls). "
            "Type: ray-nni down, then ray-nni up."
        )
    nodes = {node.index: node for node in known.machines}
    changed = [
        machine.host
        for machine in machines
        if (node := nodes.get(machine.index)) is not None
        and (node.python_path, node.gpus)
        != (machine.requested.settings.python_path, offered_gpus(machine.requested.settings, machine.facts))
    ]
    if changed:
        raise ClusterError(
            f"Cluster {known.name} runs with another pythonPath or gpuIndices on {', '.join(changed)}. "
            "Type: ray-nni down, then ray-nni up."
        )


def _with_missing(state: ClusterState, request: ClusterRequest) -> ClusterState:
    there = {node.index for node in state.machines}
    identities = [(index, *machine.identity) for index, machine in enumerate(request.machines) if index not in there]
    return replace(
        state, missing=tuple(MissingMachine(host, port, user, index) for index, host, port, user in identities)
    )


def _state(
    request: ClusterRequest, plan: ClusterPlan, machines: Mapping[int, ReachedMachine], library: str
) -> ClusterState:
    nodes = []
    for node in plan.nodes:
        host, port, user = machines[node.index].requested.identity
        nodes.append(
            MachineState(
                host=host,
                port=port,
                user=user,
                index=node.index,
                address=node.address,
                home=machines[node.index].facts.home,
                python=node.python,
                directory=node.directory,
                temp_dir=node.temp_dir,
                gpus=node.gpus,
                python_path=machines[node.index].requested.settings.python_path,
            )
        )
    return ClusterState(
        name=plan.name,
        config=str(request.config.absolute()),
        platform=request.platform,
        status="starting",
        created=time.time(),
        token=secrets.token_hex(32),
        authority=make_authority(plan.name) if request.tls else None,
        library=library,
        ray_version=machines[plan.nodes[0].index].facts.distributions["ray"],
        gcs_address=plan.gcs_address,
        dashboard_port=plan.dashboard_port,
        machines=tuple(nodes),
    )


def _with_forward(request: ClusterRequest, state: ClusterState) -> ClusterState:
    """Return the state with a forward to the dashboard that lives; it comes back on the port that it had."""
    login = request.machine(state.head.host, state.head.port, state.head.user)
    if login is None or login.login is None or (state.forward is not None and state.forward.alive()):
        return state
    preferred = state.forward.port if state.forward is not None else PREFERRED_PORT
    stop_forward(state)
    state = replace(state, forward=start_forward(state.name, login.login, state.dashboard_port, preferred))
    state.save()
    return state
