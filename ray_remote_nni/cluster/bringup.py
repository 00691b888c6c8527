"""`up`: from a request to a running cluster; repeated, it adds what is missing and restarts what died."""

from __future__ import annotations

import asyncio
import io
import secrets
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib import metadata

from ray_remote_nni.cluster.alone import alone_with
from ray_remote_nni.cluster.certificates import issue, make_authority
from ray_remote_nni.cluster.dependencies import ROOTS, DependencyPlan, pack_dependencies, plan_dependencies
from ray_remote_nni.cluster.distributions import available_here
from ray_remote_nni.cluster.facts import MachineFacts, Question, read_facts
from ray_remote_nni.cluster.forward import PREFERRED_PORT, start_forward
from ray_remote_nni.cluster.library import install, our_library
from ray_remote_nni.cluster.lost import owner_of
from ray_remote_nni.cluster.neighbours import Neighbour, find_addresses
from ray_remote_nni.cluster.node import start_node
from ray_remote_nni.cluster.plan import (
    AUTHORITY_FILE,
    CERTIFICATE_FILE,
    KEY_FILE,
    TOKEN_FILE,
    ClusterPlan,
    NodePlan,
    check_machines,
    choose_head,
    offered_gpus,
    plan_cluster,
    port_range,
)
from ray_remote_nni.cluster.ports import PORTS_PER_NODE
from ray_remote_nni.cluster.pythons import Choice, RayPython, agreed, choose, own_ray
from ray_remote_nni.cluster.reachability import with_port
from ray_remote_nni.cluster.remarks import remarks
from ray_remote_nni.cluster.request import ClusterRequest, RequestedMachine
from ray_remote_nni.cluster.runtime import RuntimeMaker, read_prospects
from ray_remote_nni.cluster.state import ClusterState, MachineState, MissingMachine, all_states
from ray_remote_nni.cluster.teardown import stop_forward, stop_machine
from ray_remote_nni.cluster.together import MachinesFailed, failure, led, on_all
from ray_remote_nni.cluster.transport import Transport
from ray_remote_nni.errors import ClusterError, MachineError

#: `report(host, what)`: something happened on a machine that a person wants to see.
Report = Callable[[str, str], None]


@dataclass(frozen=True)
class BroughtUp:
    """The cluster, and the hosts on which a node had to be started for it."""

    state: ClusterState
    started: tuple[str, ...]


@dataclass(frozen=True)
class _Machine:
    """A machine in the course of an `up`."""

    requested: RequestedMachine
    connection: Transport
    facts: MachineFacts
    question: Question
    index: int

    @property
    def host(self) -> str:
        return self.requested.settings.host


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
    head = request.machines[choose_head([m.settings for m in request.machines], request.head_host)].settings.host
    connections: dict[int, Transport] = {}
    try:
        while True:
            try:
                machines: Sequence[_Machine] = await on_all(
                    _reach(machine, connections, question(request, index, name), index, request.platform, report)
                    for index, machine in enumerate(request.machines)
                    if machine.settings.host not in left_out
                )
                machines = await _with_ray(request, known, machines, report)
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


async def _with_addresses(request: ClusterRequest, machines: Sequence[_Machine]) -> list[_Machine]:
    """Return the machines with the addresses by which the others reach them. Raises ClusterError where none leads."""
    neighbours = [Neighbour(m.requested.label, m.requested.settings, m.connection, m.facts) for m in machines]
    addresses = await find_addresses(neighbours, request.head_host, request.ports)
    return [
        replace(
            machine,
            requested=replace(machine.requested, settings=replace(machine.requested.settings, address=address)),
        )
        for machine, address in zip(machines, addresses, strict=True)
    ]


def question(request: ClusterRequest, index: int, name: str) -> Question:
    """Return what to ask the machine with this index, for the cluster of this name."""
    first, last = port_range(index, len(request.machines))
    return Question(
        cluster=name,
        node=str(index),
        distributions=("ray", *available_here(ROOTS)),
        ports=PORTS_PER_NODE,
        first_port=first,
        last_port=last,
        fixed_ports=tuple(request.ports.values()),
    )


async def _reach(
    machine: RequestedMachine,
    connections: dict[int, Transport],
    question: Question,
    index: int,
    platform: str,
    report: Report,
) -> _Machine:
    host = machine.settings.host
    try:
        if index not in connections:
            connections[index] = await machine.connect()
        connection = connections[index]
        facts = await read_facts(
            connection,
            question,
            python_path=machine.settings.python_path,
            # Trials have the caller's PATH; Ray runs in the Python that we run in, which has it.
            python=sys.executable if platform == "local" else None,
        )
    except MachineError:
        report(host, "failed")
        raise
    version = ".".join(map(str, facts.python_version))
    gpus = f", {len(facts.gpus)} GPUs" if facts.gpus else ""
    ray = facts.distributions.get("ray", "none")
    report(host, f"{facts.system}, {facts.cpus} CPUs{gpus}, Python {version}, Ray {ray} ({facts.python})")
    for remark in remarks(facts):
        report(host, f"warning: {remark.what} {remark.remedy}")
    return _Machine(machine, connection, facts, question, index)


async def _with_ray(
    request: ClusterRequest, known: ClusterState | None, machines: Sequence[_Machine], report: Report
) -> Sequence[_Machine]:
    """Return the machines with facts about the Python that Ray runs in; private runtimes are made where needed."""
    nodes = {(node.host, node.port, node.user): node for node in known.machines} if known is not None else {}
    running = {
        machine.requested.identity: nodes[machine.requested.identity].python
        for machine in machines
        if machine.facts.guard is not None and machine.requested.identity in nodes
    }
    machines = await on_all(_in(machine, running.get(machine.requested.identity)) for machine in machines)
    waiting = [machine for machine in machines if machine.requested.identity not in running]
    always = request.bootstrap == "always"
    unfit = any(machine.facts.system != "Linux" or machine.facts.write_problem for machine in machines)
    as_they_are = agreed([machine.facts for machine in machines]) and not (always and waiting)
    if unfit or as_they_are or request.bootstrap == "never" or not waiting:
        return machines
    prospects = await on_all(
        read_prospects(machine.connection, machine.facts, machine.requested.settings.python_path) for machine in waiting
    )
    choices = choose(
        [machine.host for machine in waiting],
        [machine.facts for machine in waiting],
        prospects,
        preferred=RayPython(sys.version_info[:2], metadata.version("ray")),
        running=next((own_ray(m.facts) for m in machines if m.requested.identity in running), None),
        always=always,
    )
    maker = RuntimeMaker(report)
    given = iter(await on_all(_given(machine, choice, maker) for machine, choice in zip(waiting, choices, strict=True)))
    return [machine if machine.requested.identity in running else next(given) for machine in machines]


async def _given(machine: _Machine, choice: Choice, maker: RuntimeMaker) -> _Machine:
    if choice.made_of is not None:
        try:
            await maker.make(machine.connection, machine.facts, choice)
        except MachineError:
            maker.report(machine.host, "failed")
            raise
    return await _in(machine, choice.executable)


async def _in(machine: _Machine, python: str | None) -> _Machine:
    """Return the machine with facts about another Python of it; None leaves it as it is."""
    if python is None or python == machine.facts.python:
        return machine
    return replace(
        machine, facts=await read_facts(machine.connection, machine.question, python_path=None, python=python)
    )


async def _start_missing(
    request: ClusterRequest,
    known: ClusterState | None,
    name: str,
    machines: Sequence[_Machine],
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
        await on_all(_clear(machine, known, report) for machine in missing)
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
        node.index: _start(places[node.index], node, state, report)
        for node in plan.nodes
        if places[node.index] in missing
    }
    try:
        if running:
            await on_all(starts.values())
        else:
            bringing = _bring_dependencies(machines[head], dependencies)
            await led(starts.pop(whole), [*starts.values(), bringing])
    except BaseException:
        await on_all(_clear(machine, state, report) for machine in missing)
        if known is not None and running:
            known.save()
        else:
            state.forget()
        raise
    state = replace(state, status="up")
    state.save()
    return BroughtUp(_with_forward(request, state), tuple(machine.host for machine in missing))


def _check_unchanged(known: ClusterState, request: ClusterRequest, machines: Sequence[_Machine]) -> None:
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


async def _start(machine: _Machine, node: NodePlan, state: ClusterState, report: Report) -> None:
    name, archive = our_library()
    try:
        if name not in machine.facts.installed:
            await install(machine.connection, node.python, name, io.BytesIO(archive))
        started = time.monotonic()
        library = f"{machine.facts.home}/.ray-nni/lib/{name}"
        await start_node(machine.connection, node, library, _secrets(machine, node, state), owner_of(state.config))
    except MachineError:
        report(machine.host, "failed")
        raise
    role = "head" if state.gcs_address.startswith(with_port(node.address, "")) else "worker"
    report(machine.host, f"{role} up at {node.address} after {time.monotonic() - started:.1f} s")


def _secrets(machine: _Machine, node: NodePlan, state: ClusterState) -> dict[str, str]:
    """Return the files that make a node one of this cluster."""
    files = {TOKEN_FILE: state.token}
    if state.authority is not None:
        own = issue(state.authority, (node.address, *machine.facts.addresses))
        files |= {AUTHORITY_FILE: state.authority.certificate, CERTIFICATE_FILE: own.certificate, KEY_FILE: own.key}
    return files


async def _bring_dependencies(machine: _Machine, plan: DependencyPlan) -> None:
    if plan.folder is None or plan.folder in machine.facts.installed:
        return
    archive = await pack_dependencies(plan, machine.host, machine.facts)
    await install(machine.connection, machine.facts.python, plan.folder, io.BytesIO(archive))


async def _clear(machine: _Machine, state: ClusterState, report: Report) -> None:
    identity = machine.requested.identity
    for node in state.machines:
        if (node.host, node.port, node.user) == identity:
            await stop_machine(machine.connection, node, report)


def _with_missing(state: ClusterState, request: ClusterRequest) -> ClusterState:
    there = {node.index for node in state.machines}
    identities = [(index, *machine.identity) for index, machine in enumerate(request.machines) if index not in there]
    return replace(
        state, missing=tuple(MissingMachine(host, port, user, index) for index, host, port, user in identities)
    )


def _state(request: ClusterRequest, plan: ClusterPlan, machines: Mapping[int, _Machine], library: str) -> ClusterState:
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
