"""The TCP ports of a node: those that `ray.ports` fixes, for the others free ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

#: Ports below the range from which Linux takes those of outgoing connections.
FIRST_PORT, LAST_PORT = 20000, 31999
#: How many ports of a node have numbers that are chosen beforehand.
PORTS_PER_NODE = 9
#: Without a fixed range Ray's workers listen where the system wants; on Linux, unless told otherwise, here.
SYSTEM_PORTS = (32768, 60999)


@dataclass(frozen=True)
class NodePorts:
    """The ports of a node; `gcs` and `dashboard` are the head's, `workers` the first and last of their range."""

    gcs: int
    dashboard: int
    node_manager: int
    object_manager: int
    agent: int
    agent_grpc: int
    runtime_env_agent: int
    metrics: int
    workers: tuple[int, int] | None

    def for_others(self, is_head: bool) -> tuple[int, ...]:
        """Return the ports on which other machines must reach the node; of the workers' the first and the last.

        0 stands for any port that the system gives out, where the workers have no range of their own. The dashboard,
        the runtime environment agent and the metrics are the machine's own affair.
        """
        workers = dict.fromkeys(self.workers or (0,))
        head = [self.gcs] if is_head else []
        return (*head, self.node_manager, self.object_manager, self.agent, self.agent_grpc, *workers)


def port_range(index: int, count: int) -> tuple[int, int]:
    """Return the first and last port that node `index` of `count` chooses from.

    Nodes may share a machine, as they do where the tests have no root: no two of a cluster choose the same port.
    """
    width = (LAST_PORT - FIRST_PORT + 1) // max(count, 1)
    first = FIRST_PORT + index * width
    return first, first + width - 1


def choose_ports(free: Sequence[int], fixed: Mapping[str, int]) -> NodePorts:
    """Choose a node's ports; `fixed` is by the names of `ray.ports`."""
    left = iter([port for port in free if port not in fixed.values()])

    def port(name: str) -> int:
        return fixed[name] if name in fixed else next(left)

    workers = (fixed["firstWorker"], fixed["lastWorker"]) if "firstWorker" in fixed else None
    return NodePorts(
        gcs=port("gcs"),
        dashboard=port("dashboard"),
        node_manager=port("nodeManager"),
        object_manager=port("objectManager"),
        agent=port("dashboardAgent"),
        agent_grpc=port("dashboardAgentGrpc"),
        runtime_env_agent=port("runtimeEnvAgent"),
        metrics=port("metrics"),
        workers=workers,
    )


def ports_to_open(fixed: Mapping[str, int], first: int, last: int) -> str:
    """Return the ports that a firewall must open between the machines, as iptables' --dports has them."""
    names = ("gcs", "nodeManager", "objectManager", "dashboardAgent", "dashboardAgentGrpc")
    single = [str(fixed[name]) for name in names if name in fixed]
    chosen = [] if all(name in fixed for name in names) else [f"{first}:{last}"]
    low, high = (fixed["firstWorker"], fixed["lastWorker"]) if "firstWorker" in fixed else SYSTEM_PORTS
    return ",".join([*single, *chosen, f"{low}:{high}"])
