"""Where a trial runs: on which machine, and on which of its GPUs. Pure; Ray is told what was decided.

Ray cannot choose GPUs as NNI does: two that are shared by two trials each, or one that a stranger left a moment ago. So
each GPU is a Ray resource of its own (`cluster/resources.py`), of which a trial reserves 1 / maxTrialNumberPerGpu: what
several experiments of one cluster decide independently cannot add up to more than there is, and what a driver, worker
or machine held is free when it is gone. The guard of the machine, last, starts a trial only when the processes of
others have left room for it (`guard/places.py`): Ray frees the share of a trial that was killed before its processes
have ended.
"""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from ray_remote_nni.experiment.spec import MachineSpec

#: How long a machine that failed is avoided.
DISTRUST_S = 60.0
#: For how long Ray may still tell of a share that we gave back, or not yet tell of one that we took.
SETTLE_S = 1.0
#: The finest share of a resource that Ray knows.
_SHARES = 10_000


@dataclass(frozen=True)
class Node:
    """A live machine of the cluster, and what it has in all; `memory` is in bytes, `gpus` are those it offers."""

    node_id: str
    index: int
    gpus: tuple[int, ...] = ()
    cpus: float = math.inf
    memory: float = math.inf


@dataclass(frozen=True)
class Need:
    """What each trial reserves."""

    gpus: int = 0
    cpus: float = 0.0
    memory: int = 0


@dataclass(frozen=True)
class GpuView:
    """What is known of GPUs beyond our own trials, by node id or by node index and GPU.

    `strangers` are the GPUs with a process of somebody else's; a node that is missing has not told yet. `reserved` is
    the part of a GPU that is reserved in Ray, our own trials included.
    """

    strangers: Mapping[str, frozenset[int]] = field(default_factory=dict)
    reserved: Mapping[tuple[int, int], float] = field(default_factory=dict)


@dataclass(frozen=True)
class Place:
    """Where a trial runs, on which of its GPUs, and what is wanted of trials there."""

    node: Node
    gpus: tuple[int, ...]
    machine: MachineSpec

    @property
    def gpu_share(self) -> float:
        """Return the part of each GPU that is reserved for the trial."""
        return share_of(self.machine.trials_per_gpu)


def share_of(trials_per_gpu: int) -> float:
    """Return the part of a GPU that one of so many trials gets: so many of them fit, and no more."""
    return _SHARES // trials_per_gpu / _SHARES


class Placement:
    """Chooses, counts, and forgets the places of one experiment's trials.

    A trial goes to the machine with the fewest of ours, and among equals to the one that had none for longest: Ray
    itself places tasks that reserve nothing where it likes, usually all on one machine; NNI goes round them.
    """

    def __init__(
        self, need: Need, machines: Iterable[MachineSpec] = (), clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._need = need
        self._machines = {machine.index: machine for machine in machines}
        self._clock = clock
        self._failed: dict[str, float] = {}
        self._trials: Counter[str] = Counter()
        self._gpu_trials: Counter[tuple[str, int]] = Counter()
        self._gpu_changed: dict[tuple[str, int], float] = {}
        self._last_turn: dict[str, int] = {}
        self._turn = 0

    def machine(self, node: Node) -> MachineSpec:
        """Return how trials may use a machine; one that joined the cluster later has no wishes."""
        return self._machines.get(node.index, MachineSpec(node.index))

    def could_hold(self, node: Node) -> bool:
        """Tell whether a machine that does nothing else could run a trial."""
        need = self._need
        room = self.machine(node).max_trials != 0
        return room and len(node.gpus) >= need.gpus and node.cpus >= need.cpus and node.memory >= need.memory

    def take(self, nodes: Sequence[Node], view: GpuView) -> Place | None:
        """Choose a place among the live nodes and count a trial there; None where there is no room now."""
        free = {node: gpus for node in nodes if (gpus := self._room(node, view)) is not None}
        if not free:
            return None
        recently = self._clock() - DISTRUST_S
        trusted = [node for node in free if self._failed.get(node.node_id, -math.inf) < recently]
        node = min(trusted or free, key=lambda node: (self._trials[node.node_id], self._last_turn.get(node.node_id, 0)))
        self._turn += 1
        self._last_turn[node.node_id] = self._turn
        self._trials[node.node_id] += 1
        place = Place(node, free[node], self.machine(node))
        self._count(place, 1)
        return place

    def release(self, place: Place) -> None:
        """Count one trial less there."""
        self._trials[place.node.node_id] -= 1
        self._count(place, -1)

    def distrust(self, place: Place) -> None:
        """Send nothing to a machine for a while, if there are others: a trial could not be started there, or was lost.

        A machine whose disk is full would otherwise get, and lose, one trial after the other, being always idle.
        """
        self._failed[place.node.node_id] = self._clock()

    def _count(self, place: Place, change: int) -> None:
        for gpu in place.gpus:
            self._gpu_trials[place.node.node_id, gpu] += change
            self._gpu_changed[place.node.node_id, gpu] = self._clock()

    def _room(self, node: Node, view: GpuView) -> tuple[int, ...] | None:
        """Return the GPUs that a trial would get on a node, None where there is no room for it."""
        need, limits, trials = self._need, self.machine(node), self._trials[node.node_id]
        if limits.max_trials is not None and trials >= limits.max_trials:
            return None
        if need.cpus * (trials + 1) > node.cpus or need.memory * (trials + 1) > node.memory:
            return None
        if not need.gpus:
            return ()
        free = sorted(
            (gpu for gpu in node.gpus if self._has_room(node, gpu, limits, view)),
            key=lambda gpu: (self._gpu_trials[node.node_id, gpu], gpu),
        )
        return tuple(sorted(free[: need.gpus])) if len(free) >= need.gpus else None

    def _has_room(self, node: Node, gpu: int, limits: MachineSpec, view: GpuView) -> bool:
        if not limits.use_active_gpu:
            strangers = view.strangers.get(node.node_id)
            if strangers is None or gpu in strangers:
                return False
        ours = self._gpu_trials[node.node_id, gpu]
        if ours >= limits.trials_per_gpu:
            return False
        if self._clock() - self._gpu_changed.get((node.node_id, gpu), -math.inf) < SETTLE_S:
            return True
        share = share_of(limits.trials_per_gpu)
        others = max(0.0, view.reserved.get((node.index, gpu), 0.0) - ours * share)
        return others + (ours + 1) * share <= 1 + 1 / _SHARES
