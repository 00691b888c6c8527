"""Starts a node on a machine that is reached, and clears away what is left of one."""

from __future__ import annotations

import io
import time

from ray_remote_nni.cluster.certificates import issue
from ray_remote_nni.cluster.dependencies import DependencyPlan, pack_dependencies
from ray_remote_nni.cluster.library import install, library_folder, our_library
from ray_remote_nni.cluster.lost import owner_of
from ray_remote_nni.cluster.node import start_node
from ray_remote_nni.cluster.plan import NodePlan
from ray_remote_nni.cluster.ray_start import AUTHORITY_FILE, CERTIFICATE_FILE, KEY_FILE, TOKEN_FILE
from ray_remote_nni.cluster.reached import ReachedMachine, Report
from ray_remote_nni.cluster.state import ClusterState
from ray_remote_nni.cluster.teardown import stop_machine
from ray_remote_nni.errors import MachineError


async def launch_node(machine: ReachedMachine, node: NodePlan, state: ClusterState, report: Report) -> None:
    """Start a node of the cluster on its machine, which gets our package first. Raises MachineError."""
    name, archive = our_library()
    try:
        if name not in machine.facts.installed:
            await install(machine.connection, node.python, name, io.BytesIO(archive))
        started = time.monotonic()
        library = library_folder(machine.facts.home, name)
        await start_node(machine.connection, node, library, _secrets(machine, node, state), owner_of(state.config))
    except MachineError:
        report(machine.host, "failed")
        raise
    role = "head" if node.index == state.head.index else "worker"
    report(machine.host, f"{role} up at {node.address} after {time.monotonic() - started:.1f} s")


def _secrets(machine: ReachedMachine, node: NodePlan, state: ClusterState) -> dict[str, str]:
    """Return the files that make a node one of this cluster."""
    files = {TOKEN_FILE: state.token}
    if state.authority is not None:
        own = issue(state.authority, (node.address, *machine.facts.addresses))
        files |= {AUTHORITY_FILE: state.authority.certificate, CERTIFICATE_FILE: own.certificate, KEY_FILE: own.key}
    return files


async def bring_dependencies(machine: ReachedMachine, plan: DependencyPlan) -> None:
    """Send the head what it lacks of the packages that the driver needs."""
    if plan.folder is None or plan.folder in machine.facts.installed:
        return
    archive = await pack_dependencies(plan, machine.host, machine.facts)
    await install(machine.connection, machine.facts.python, plan.folder, io.BytesIO(archive))


async def clear_machine(machine: ReachedMachine, state: ClusterState, report: Report) -> None:
    """Stop what runs, and remove what lies, on the machine of the cluster's node there."""
    for node in state.machines:
        if node.index == machine.index:
            await stop_machine(machine.connection, node, report)
