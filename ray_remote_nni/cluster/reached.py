"""A machine in the course of an `up`: logged in to, and asked for its facts."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass

from ray_remote_nni.cluster.dependencies import ROOTS
from ray_remote_nni.cluster.distributions import available_here
from ray_remote_nni.cluster.facts import MachineFacts, Question, read_facts
from ray_remote_nni.cluster.ports import PORTS_PER_NODE, port_range
from ray_remote_nni.cluster.remarks import remarks
from ray_remote_nni.cluster.request import ClusterRequest, RequestedMachine
from ray_remote_nni.cluster.transport import Transport
from ray_remote_nni.errors import MachineError
from ray_remote_nni.words import plural

#: `report(host, what)`: something happened on a machine that a person wants to see.
Report = Callable[[str, str], None]


@dataclass(frozen=True)
class ReachedMachine:
    """A machine in the course of an `up`; `index` is the number of its node."""

    requested: RequestedMachine
    connection: Transport
    facts: MachineFacts
    question: Question
    index: int

    @property
    def host(self) -> str:
        """What the machine is called, for a person."""
        return self.requested.label


def question(request: ClusterRequest, index: int, count: int, name: str) -> Question:
    """Return what to ask the machine of node `index`, of those below `count`, for the cluster of this name."""
    first, last = port_range(index, count)
    return Question(
        cluster=name,
        node=str(index),
        distributions=("ray", *available_here(ROOTS)),
        ports=PORTS_PER_NODE,
        first_port=first,
        last_port=last,
        fixed_ports=tuple(request.ports.values()),
    )


async def reach(
    machine: RequestedMachine,
    connections: dict[int, Transport],
    question: Question,
    index: int,
    platform: str,
    report: Report,
) -> ReachedMachine:
    """Log in, unless there is a connection, and read the facts. Raises MachineError."""
    host = machine.label
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
    gpus = f", {plural(len(facts.gpus), 'GPU')}" if facts.gpus else ""
    ray = facts.distributions.get("ray", "none")
    report(host, f"{facts.system}, {plural(facts.cpus, 'CPU')}{gpus}, Python {version}, Ray {ray} ({facts.python})")
    for remark in remarks(facts):
        report(host, f"warning: {remark.what} {remark.remedy}")
    return ReachedMachine(machine, connection, facts, question, index)
