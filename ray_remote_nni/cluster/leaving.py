"""Stops single nodes of a cluster whose other nodes go on, even where the configuration names them no more.

What that says no more is how to log in. A key, an agent or ~/.ssh/config may still do; where only a password did, which
nothing remembers, the head of the running cluster has the node end itself.
"""

from __future__ import annotations

import asyncio
import json
import secrets
import shlex
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ray_remote_nni.cluster.dashboard import Dashboard
from ray_remote_nni.cluster.launch import clear_machine
from ray_remote_nni.cluster.login import Login
from ray_remote_nni.cluster.plan import MachineSettings
from ray_remote_nni.cluster.reached import ReachedMachine, Report
from ray_remote_nni.cluster.request import ClusterRequest, RequestedMachine
from ray_remote_nni.cluster.state import ClusterState, MachineState
from ray_remote_nni.cluster.teardown import stop_machine
from ray_remote_nni.cluster.together import MachinesFailed, on_all
from ray_remote_nni.cluster.transport import Transport
from ray_remote_nni.errors import ClusterError, MachineError

_AT_THE_HEADS_WORD = "stopped, at the head's word"
_POLL_S = 0.3
_PATIENCE_S = 60.0


def way_to(node: MachineState, request: ClusterRequest, config: str) -> RequestedMachine:
    """Return how to reach a node, as the configuration or, where it does not any more, the cluster's state says.

    Raises MachineError where nobody knows: it was reached by a password.
    """
    found = request.machine(node.identity)
    if found is not None:
        return found
    if _is_stranded(node, request):
        raise MachineError(
            node.label,
            f"{config} does not name it any more, and with it went its password.",
            f"Put it back into the machineList; with ray: {{machines: {{{node.host}: {{enabled: false}}}}}} it is left "
            "out all the same.",
        )
    key = None if node.key_file is None else Path(node.key_file)
    settings = MachineSettings(node.host, node.python_path, node.gpus, port=node.shown_port)
    return RequestedMachine(settings, Login(node.host, node.port, node.user, key_file=key))


#: `before_stop(cluster, nodes)`: nodes of a running cluster are about to be stopped.
BeforeStop = Callable[[ClusterState, Sequence[MachineState]], Awaitable[None]]


@dataclass(frozen=True)
class RunningHead:
    """The head of a cluster that runs, reached."""

    state: ClusterState
    connection: Transport

    async def dismiss(self, nodes: Sequence[MachineState]) -> bool:
        """Have nodes end themselves; tell whether all of them did. Raises ClusterError where the head does nothing."""
        head = self.state.head
        port = await self.connection.forward(self.state.dashboard_port)
        dashboard = Dashboard(f"http://127.0.0.1:{port}", self.state.token)
        told = json.dumps([[node.index, node.directory, node.temp_dir] for node in nodes])
        command = shlex.join([head.python, "-m", "ray_remote_nni.cluster.remote.dismiss", told])
        job = f"ray-nni-dismiss-{secrets.token_hex(3)}"
        await dashboard.submit_job(job, f"exec {command}", {})
        deadline = time.monotonic() + _PATIENCE_S
        while time.monotonic() < deadline:
            status = (await dashboard.job(job))["status"]
            if status in ("SUCCEEDED", "FAILED", "STOPPED"):
                return bool(status == "SUCCEEDED")
            await asyncio.sleep(_POLL_S)
        return False


async def without_stranded(
    state: ClusterState, request: ClusterRequest | None, connection: Transport, report: Report
) -> ClusterState:
    """Stop the nodes that only the head still reaches, before it ends itself; return the cluster without them.

    `connection` is to the head; `request` is None where no login is needed. A node that the head does not reach either
    stays in the state.
    """
    stranded = [] if request is None else [node for node in state.machines[1:] if _is_stranded(node, request)]
    try:
        if not stranded or not await RunningHead(state, connection).dismiss(stranded):
            return state
    except ClusterError:
        return state
    for node in stranded:
        report(node.label, _AT_THE_HEADS_WORD)
    state = replace(state, machines=tuple(node for node in state.machines if node not in stranded))
    state.save()
    return state


def _is_stranded(node: MachineState, request: ClusterRequest) -> bool:
    return node.by_password and request.machine(node.identity) is None


async def part_with(
    nodes: Sequence[MachineState], request: ClusterRequest, head: RunningHead | None, config: str, report: Report
) -> None:
    """Stop these nodes; `head` is None where the cluster does not run. Raises ClusterError that names what is left."""
    await on_all(_part_with(node, request, head, config, report) for node in nodes)


async def _part_with(
    node: MachineState, request: ClusterRequest, head: RunningHead | None, config: str, report: Report
) -> None:
    try:
        connection = await way_to(node, request, config).connect()
    except MachineError:
        if head is None or not await head.dismiss([node]):
            raise
        report(node.label, _AT_THE_HEADS_WORD)
        return
    try:
        await stop_machine(connection, node, report)
    finally:
        await connection.close()


@dataclass(frozen=True)
class Parting:
    """Stops nodes of a cluster that shall not run, or not as they do."""

    request: ClusterRequest
    report: Report
    leaving: tuple[MachineState, ...]
    force: bool
    before_stop: BeforeStop | None

    async def restart(
        self, running: ClusterState, changed: Sequence[MachineState], machines: Mapping[int, ReachedMachine]
    ) -> set[int]:
        """Stop the changed nodes, which will start anew; return their numbers. Nothing is stopped if one may not be."""
        if self.before_stop is not None and (stopping := (*changed, *self.leaving)):
            await self.before_stop(running, stopping)
        await on_all(clear_machine(machines[node.index], running, self.report) for node in changed)
        return {node.index for node in changed}

    async def leave(self, known: ClusterState, head: ReachedMachine | None) -> None:
        """Stop the nodes that are not wanted any more; `head` is None where the cluster does not run."""
        reached = None if head is None else RunningHead(known, head.connection)
        try:
            await part_with(self.leaving, self.request, reached, known.config, self.report)
        except MachinesFailed as error:
            if not self.force:
                raise ClusterError(f"{error}\nOr forget it, and what is left of the cluster there: --force") from error
            for one in error.errors:
                self.report(one.machine, one.what)
