"""What is remembered of a cluster as it is brought up, as values: a new one, and one that is added to."""

from __future__ import annotations

import secrets
import time
from collections.abc import Mapping
from dataclasses import replace

from ray_remote_nni.cluster.certificates import make_authority
from ray_remote_nni.cluster.membership import Members
from ray_remote_nni.cluster.plan import ClusterPlan
from ray_remote_nni.cluster.reached import ReachedMachine
from ray_remote_nni.cluster.request import ClusterRequest
from ray_remote_nni.cluster.state import ClusterState, MachineState, MissingMachine


def with_missing(state: ClusterState, request: ClusterRequest, members: Members) -> ClusterState:
    """Return the state with the machines named that are wanted and not among its nodes."""
    there = {node.index for node in state.machines}
    wanted = zip(members.indices, request.machines, strict=True)
    return replace(
        state,
        missing=tuple(MissingMachine(*machine.identity, index) for index, machine in wanted if index not in there),
    )


def new_state(
    request: ClusterRequest, plan: ClusterPlan, machines: Mapping[int, ReachedMachine], library: str
) -> ClusterState:
    """Return the state of a planned cluster that is about to start; `machines` are by their nodes' numbers."""
    nodes = []
    for node in plan.nodes:
        requested = machines[node.index].requested
        host, port, user = requested.identity
        login = requested.login
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
                python_path=requested.settings.python_path,
                key_file=None if login is None or login.key_file is None else str(login.key_file),
                by_password=login is not None and login.password is not None,
                shown_port=requested.settings.port,
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
        ports=dict(request.ports),
    )


def added(running: ClusterState, planned: ClusterState, started: set[int], members: Members) -> ClusterState:
    """Return a running cluster's state with the nodes that are to be started now."""
    kept = {node.index: node for node in running.machines if node.index not in started and node not in members.leaving}
    nodes = [kept.pop(node.index, node) for node in planned.machines]
    # A node that is out of reach now may still have to be stopped one day.
    return replace(running, machines=(*nodes, *kept.values()))
