"""How a node shows itself to Ray: its place in the cluster as a label; each GPU, and room for trials, as a resource."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

#: The label whose value is the node's index in the cluster.
MACHINE_LABEL = "ray-nni-machine"


def gpu_resource(index: int, gpu: int) -> str:
    """Return the name of the Ray resource, of amount 1, that GPU `gpu` of node `index` is."""
    return f"gpu-{index}-{gpu}"


def room_resource(index: int) -> str:
    """Return the name of the Ray resource, of amount 1, that trials share on node `index` where they are limited."""
    return f"trials-{index}"


def node_resources(index: int, gpus: Sequence[int]) -> dict[str, float]:
    """Return the custom resources of a node that offers these GPUs."""
    return {room_resource(index): 1, **{gpu_resource(index, gpu): 1 for gpu in gpus}}


def gpus_of(resources: Mapping[str, float], index: int) -> tuple[int, ...]:
    """Return the GPUs among the resources of node `index`, in order."""
    prefix = gpu_resource(index, 0)[:-1]
    return tuple(sorted(int(name[len(prefix) :]) for name in resources if name.startswith(prefix)))
