"""A cluster that is up, within reach: its state, and the logins of its configuration."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from ray_remote_nni.cluster.leaving import way_to
from ray_remote_nni.cluster.local import LocalTransport
from ray_remote_nni.cluster.login import has_user
from ray_remote_nni.cluster.request import ClusterRequest, RequestedMachine, request_cluster
from ray_remote_nni.cluster.state import ClusterState, MachineState, all_states, load_state
from ray_remote_nni.cluster.transport import Transport
from ray_remote_nni.config import load_config
from ray_remote_nni.errors import NotFound, UsageError
from ray_remote_nni.experiment.head import Head


@dataclass(frozen=True)
class ClusterAccess:
    """A cluster and how to log in to its machines; `request` is None where there is nothing to log in to."""

    state: ClusterState
    request: ClusterRequest | None

    def machine(self, node: MachineState) -> RequestedMachine:
        """Return the machine of a node. Raises MachineError where nobody knows any more how to log in."""
        assert self.request is not None
        return way_to(node, self.request, self.state.config)

    async def connect(self, node: MachineState) -> Transport:
        """Log in to a machine. Raises MachineError."""
        if self.state.platform == "local":
            return LocalTransport(node.host)
        return await self.machine(node).connect()

    @asynccontextmanager
    async def head(self) -> AsyncIterator[Head]:
        """Log in to the head for a while."""
        connection = await self.connect(self.state.head)
        try:
            yield Head(self.state, connection)
        finally:
            await connection.close()


def access_cluster(state: ClusterState, ask: Callable[[str], str]) -> ClusterAccess:
    """Read the logins of a cluster's machines from its configuration; `ask` is called for secrets that say `ask`.

    Raises ConfigInvalid, and UsageError where that file is not there any more.
    """
    if state.platform == "local":
        return ClusterAccess(state, None)
    if not Path(state.config).exists():
        raise UsageError(
            f"{state.config} is not there any more, and how to log in to the machines of cluster {state.name} is in "
            "it. Name it where it is now, once: ray-nni up CONFIG (or ray-nni down CONFIG)."
        )
    return ClusterAccess(state, read_request(Path(state.config), ask))


def read_request(config: Path, ask: Callable[[str], str] | None = None) -> ClusterRequest:
    """Read which cluster a configuration asks for; `ask` is called for secrets that say `ask`. Raises ConfigInvalid.

    A machine that is not listed any more may still have options there: that keeps nobody from the cluster that is up.
    """
    loaded = load_config(config, has_user=has_user, unlisted="warning")
    return request_cluster(loaded.path, loaded.experiment, ask=ask)


def cluster_named(name: str) -> ClusterState | None:
    """Return the cluster with this name, if it is up."""
    state = load_state(name)
    return state if state is not None and state.status == "up" else None


def latest_cluster(none: str = "No cluster is up. Bring one up: ray-nni up CONFIG") -> ClusterState:
    """Return the cluster that was brought up last. Raises NotFound, which says `none`."""
    states = all_states()
    if not states:
        raise NotFound(none)
    return states[0]
