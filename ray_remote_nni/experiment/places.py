"""The places of an experiment's trials: what is known of the machines, and what is chosen, brought together."""

from __future__ import annotations

import time
from collections.abc import Callable

from ray_remote_nni.experiment.gpu_watch import GpuWatch
from ray_remote_nni.experiment.machines import joined_machine
from ray_remote_nni.experiment.nodes import LiveNodes
from ray_remote_nni.experiment.placement import ClusterView, Need, Node, Place, Placement
from ray_remote_nni.experiment.spec import ExperimentSpec

#: How long trials may wait for GPUs before the user is told whose they are.
_SILENT_S = 5.0


class NoRoom(Exception):
    """No machine could ever run a trial."""


class TrialPlaces:
    """Gives each trial its place. `warn(text)` is called with what a person should know."""

    def __init__(self, spec: ExperimentSpec, warn: Callable[[str], None]) -> None:
        self._need = Need(spec.trial_gpu_number or 0, spec.trial_cpu_number, spec.trial_memory_bytes or 0)
        self._placement = Placement(self._need, spec.machines)
        self._nodes = LiveNodes()
        self._warn = warn
        self._gpus = GpuWatch(self._warn_of_gpus)
        self._taken = 0
        self._waits_since: float | None = None
        self._warned = False

    def usable(self) -> list[Node]:
        """Return the machines that could run a trial. Raises NoRoom where there is none."""
        nodes = [node for node in self._live() if self._placement.could_hold(node)]
        if not nodes:
            raise NoRoom(
                f"no machine can run a trial: {_described(self._need)}, and a machine that is not closed to it"
            )
        return nodes

    def take(self) -> Place | None:
        """Return a place for a trial, which `release` gives back; None where there is none now."""
        nodes = self._live()
        view = ClusterView()
        if self._placement.needs_view:
            watched = [n for n in nodes if n.gpus and not self._placement.machine(n).use_active_gpu]
            view = self._gpus.view(nodes, watched if self._need.gpus else ())
        place = self._placement.take(nodes, view)
        if place is not None:
            self._taken += 1
            self._waits_since = None
        elif not self._taken and self._need.gpus:
            self._wait(nodes, view)
        return place

    def release(self, place: Place) -> None:
        """Give a place back."""
        self._taken -= 1
        self._placement.release(place)

    def lives(self, place: Place) -> bool:
        """Tell whether the machine of a place lives, as Ray knows; it takes Ray half a minute to give one up."""
        return any(node.node_id == place.node.node_id for node in self._nodes.list())

    def failed(self, place: Place) -> None:
        """Avoid the machine for a while: a trial was lost there."""
        self._placement.distrust(place)
        self._nodes.forget()

    def close(self) -> None:
        """Look at the machines no more."""
        self._gpus.close()

    def _live(self) -> list[Node]:
        """Return the machines that live, having learnt how trials may use those that joined."""
        nodes = self._nodes.list()
        for node in nodes:
            if not self._placement.knows(node):
                self._placement.learn(joined_machine(node.index))
        return nodes

    def _wait(self, nodes: list[Node], view: ClusterView) -> None:
        """Tell, once, whom we wait for, if that takes long."""
        now = time.monotonic()
        self._waits_since = self._waits_since or now
        used = {self._host(node): sorted(set(node.gpus) & view.strangers.get(node.node_id, set())) for node in nodes}
        if self._warned or now - self._waits_since < _SILENT_S or not any(used.values()):
            return
        self._warned = True
        where = ", ".join(f"{host}: {', '.join(map(str, gpus))}" for host, gpus in used.items() if gpus)
        self._warn(
            f"trials wait for GPUs that have processes of others on them ({where}); "
            "with useActiveGpu: true they would not wait"
        )

    def _warn_of_gpus(self, node: Node, why: str) -> None:
        self._warn(f"nvidia-smi fails on {self._host(node)}, so its GPUs are left alone: {why}")

    def _host(self, node: Node) -> str:
        return self._placement.machine(node).host or f"machine {node.index + 1}"


def _described(need: Need) -> str:
    wanted = {"GPUs": need.gpus, "CPUs": need.cpus, "bytes of memory": need.memory}
    return "it needs " + (", ".join(f"{number:g} {what}" for what, number in wanted.items() if number) or "nothing")
