"""Provides the machines of an `up` with Pythons that have the same Ray; private runtimes are made where needed."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace
from importlib import metadata

from ray_remote_nni.cluster.facts import read_facts
from ray_remote_nni.cluster.pythons import Choice, RayPython, agreed, choose, own_ray
from ray_remote_nni.cluster.reached import ReachedMachine, Report
from ray_remote_nni.cluster.request import ClusterRequest
from ray_remote_nni.cluster.runtime import RuntimeMaker, read_prospects
from ray_remote_nni.cluster.state import ClusterState
from ray_remote_nni.cluster.together import on_all
from ray_remote_nni.errors import MachineError


async def with_ray(
    request: ClusterRequest, known: ClusterState | None, machines: Sequence[ReachedMachine], report: Report
) -> Sequence[ReachedMachine]:
    """Return the machines with facts about the Python that Ray runs in; `known` is a cluster that is added to."""
    nodes = {node.identity: node for node in known.machines} if known is not None else {}
    running = {
        machine.requested.identity: nodes[machine.requested.identity].python
        for machine in machines
        if machine.facts.guard is not None and machine.requested.identity in nodes
    }
    machines = await on_all(_in(machine, running.get(machine.requested.identity)) for machine in machines)
    waiting = [machine for machine in machines if machine.requested.identity not in running]
    always = request.bootstrap == "always"
    # Private runtimes are made on Linux alone; elsewhere the machine's own Python must do.
    unfit = any(
        machine.facts.write_problem
        or machine.facts.root_problem
        or (machine.facts.system != "Linux" and own_ray(machine.facts) is None)
        for machine in machines
    )
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


async def _given(machine: ReachedMachine, choice: Choice, maker: RuntimeMaker) -> ReachedMachine:
    if choice.made_of is not None:
        try:
            await maker.make(machine.connection, machine.facts, choice)
        except MachineError:
            maker.report(machine.host, "failed")
            raise
    return await _in(machine, choice.executable)


async def _in(machine: ReachedMachine, python: str | None) -> ReachedMachine:
    """Return the machine with facts about another Python of it; None leaves it as it is."""
    if python is None or python == machine.facts.python:
        return machine
    return replace(
        machine, facts=await read_facts(machine.connection, machine.question, python_path=None, python=python)
    )
