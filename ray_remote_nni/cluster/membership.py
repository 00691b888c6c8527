"""What a configuration means for a cluster that is there already: which is its own, and who stays, joins or leaves.

A cluster belongs to the configuration file that it was brought up for, whatever machines that names by now; another
file gets it too where it names just the same machines, and for good where the first is not there any more. Nothing here
reaches a machine.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ray_remote_nni.cluster.plan import choose_head, offered_gpus
from ray_remote_nni.cluster.reached import ReachedMachine
from ray_remote_nni.cluster.request import ClusterRequest
from ray_remote_nni.cluster.state import ClusterState, Identity, MachineState, all_states
from ray_remote_nni.errors import UsageError

_ANEW = "Type: ray-nni down, then ray-nni up."


@dataclass(frozen=True)
class Members:
    """The machines of a request as nodes of a cluster, in the order of the request.

    `indices` are their nodes' numbers, which a node keeps as long as the cluster lives and no other gets after it;
    `next_index` is the first that was never given. `leaving` are the nodes that are not asked for any more.
    """

    indices: tuple[int, ...]
    next_index: int
    leaving: tuple[MachineState, ...] = ()


def find_cluster(request: ClusterRequest) -> ClusterState | None:
    """Return the cluster that this client has for the request: its configuration's, or one of just its machines."""
    states, config = all_states(), str(request.config.absolute())
    own = next((state for state in states if state.config == config), None)
    if own is not None:
        return own
    same = next((state for state in states if request.matches(state)), None)
    # That file was moved here, most likely, and a cluster whose logins nobody can read any more could not be ended.
    return same if same is None or Path(same.config).exists() else replace(same, config=config)


def members_of(request: ClusterRequest, known: ClusterState | None) -> Members:
    """Number the machines of a request; `known` is the cluster that is there already."""
    if known is None:
        return Members(tuple(range(len(request.machines))), len(request.machines))
    numbers: dict[Identity, list[int]] = {}
    for index, identity in known.members:
        numbers.setdefault(identity, []).append(index)
    following = known.first_free_index
    indices = []
    for machine in request.machines:
        if old := numbers.get(machine.identity):
            indices.append(old.pop(0))
        else:
            indices.append(following)
            following += 1
    leaving = tuple(node for node in known.machines if node.index not in indices)
    return Members(tuple(indices), following, leaving)


def check_head(request: ClusterRequest, known: ClusterState, members: Members) -> None:
    """Raise UsageError where the head is not asked for any more: without it there is no cluster."""
    if known.head in members.leaving:
        raise UsageError(
            f"{known.head.label} is the head of cluster {known.name}, and {request.config} does not name it any more. "
            f"A cluster cannot change its head: {_ANEW}"
        )


def wanted_head(request: ClusterRequest, reached: Sequence[ReachedMachine] = ()) -> int:
    """Return the place in the request of the machine that shall be the head. Raises UsageError.

    `reached` are those of its machines whose system is known; only one of them can be the head then.
    """
    if not reached:
        return choose_head([machine.settings for machine in request.machines], request.head_host)
    settings = [machine.requested.settings for machine in reached]
    head = reached[choose_head(settings, request.head_host, [machine.facts for machine in reached])]
    return [machine.identity for machine in request.machines].index(head.requested.identity)


def check_unchanged(known: ClusterState, request: ClusterRequest) -> None:
    """Raise UsageError where all nodes of a running cluster would have to start anew for what is wanted now."""
    if request.tls != (known.authority is not None):
        raise UsageError(f"Cluster {known.name} runs {'without' if request.tls else 'with'} TLS (ray.tls). {_ANEW}")
    if dict(request.ports) != dict(known.ports):
        raise UsageError(f"Cluster {known.name} runs on other ports than `ray.ports` says now. {_ANEW}")


def changed_nodes(
    known: ClusterState, request: ClusterRequest, machines: Sequence[ReachedMachine]
) -> list[MachineState]:
    """Return the running nodes whose Python or GPUs for trials are others in the configuration now.

    Raises UsageError where one of them is the head, or the cluster another configuration's.
    """
    nodes = {node.index: node for node in known.machines}
    changed = [
        node
        for machine in machines
        if machine.facts.guard is not None and (node := nodes.get(machine.index)) is not None
        if (node.python_path, node.gpus)
        != (machine.requested.settings.python_path, offered_gpus(machine.requested.settings, machine.facts))
    ]
    if known.head in changed or (changed and known.config != str(request.config.absolute())):
        raise UsageError(
            f"Cluster {known.name} runs with another pythonPath or gpuIndices on {_hosts(changed)}. {_ANEW}"
        )
    return changed


def _hosts(nodes: Iterable[MachineState]) -> str:
    return ", ".join(node.label for node in nodes)
