"""What others use: GPUs by strangers' processes, by watching, and what other experiments' trials share, from Ray."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable
from typing import Any

import ray
from ray.exceptions import RayError

from ray_remote_nni.cluster.resources import gpu_resource, room_resource
from ray_remote_nni.experiment.placement import ClusterView, Node
from ray_remote_nni.trial.gpu_use import GpuUse
from ray_remote_nni.trial.gpu_watch import watch_gpus
from ray_remote_nni.trial.task import on_node

_LOG = logging.getLogger(__name__)
#: A watch that ended, with its machine perhaps, begins anew after this time.
_PAUSE_S = 2.0


class GpuWatch:
    """Watches the machines that it is asked about.

    `warn(node, why)` is called where nvidia-smi fails on a machine; its GPUs are left alone then, since nobody knows.
    """

    def __init__(self, warn: Callable[[Node, str], None]) -> None:
        self._warn = warn
        self._uses: dict[str, GpuUse] = {}
        self._watching: dict[str, asyncio.Task[None]] = {}

    def view(self, nodes: Iterable[Node], watched: Iterable[Node]) -> ClusterView:
        """Return what is known; strangers are known for the nodes of `watched` only."""
        for node in watched:
            if node.node_id not in self._watching:
                self._watching[node.node_id] = asyncio.ensure_future(self._watch(node))
        strangers = {node: use.strangers for node, use in self._uses.items() if use.error is None}
        left = ray.available_resources()
        reserved = {
            (node.index, gpu): 1 - left.get(gpu_resource(node.index, gpu), 0.0) for node in nodes for gpu in node.gpus
        }
        rooms = {node.index: 1 - left.get(room_resource(node.index), 0.0) for node in nodes}
        return ClusterView(strangers, reserved, rooms)

    def close(self) -> None:
        """Watch no more."""
        for task in self._watching.values():
            task.cancel()

    async def _watch(self, node: Node) -> None:
        options: dict[str, Any] = {
            "name": "watch GPUs",
            "scheduling_strategy": on_node(node.node_id, hard=True),
            "num_returns": "streaming",
        }
        try:
            uses: Any = watch_gpus.options(**options).remote()
            async for reference in uses:
                use: GpuUse = await reference
                if use.error is not None:
                    self._warn(node, use.error)
                self._uses[node.node_id] = use
        except RayError as error:
            _LOG.warning("the watch of the GPUs of node %s ended: %s", node.node_id, error)
        self._uses.pop(node.node_id, None)
        await asyncio.sleep(_PAUSE_S)
        del self._watching[node.node_id]
