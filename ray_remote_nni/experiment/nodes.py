"""The machines of the cluster that live, as Ray tells."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import ray

from ray_remote_nni.cluster.resources import MACHINE_LABEL, gpus_of
from ray_remote_nni.experiment.placement import Node

#: How old the list of live machines may be.
_NODES_S = 2.0


def node_of(known: Mapping[str, Any]) -> Node:
    """Return a machine as Ray's list of nodes tells of it."""
    resources = known["Resources"]
    index = int(known["Labels"][MACHINE_LABEL])
    return Node(
        node_id=known["NodeID"],
        index=index,
        gpus=gpus_of(resources, index),
        cpus=resources.get("CPU", 0.0),
        memory=resources.get("memory", 0.0),
    )


class LiveNodes:
    """The machines that live."""

    def __init__(self) -> None:
        self._nodes: list[Node] = []
        self._time = 0.0

    def list(self) -> list[Node]:
        """Return them, as they were a moment ago at most."""
        now = time.monotonic()
        if not self._nodes or now - self._time > _NODES_S:
            self._nodes = [node_of(node) for node in ray.nodes() if node["Alive"]]
            self._time = now
        return self._nodes

    def forget(self) -> None:
        """Ask again: one of them has failed."""
        self._time = 0.0
