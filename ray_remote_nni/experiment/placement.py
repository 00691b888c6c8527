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
class ClusterView:
    """What is known beyond our own trials, by node id, by node index and GPU, and by node index.

    `strangers` are the GPUs with a process of somebody else's; a node that is missing has not told yet. `reserved` is
    the part of a GPU that is reserved in Ray, our own trials included, and `rooms` that of a machine's room for trials
    where these are limited (maxTrials).
    """

    strangers: Mapping[str, frozenset[int]] = field(default_factory=dict)
    reserved: Mapping[tuple[int, int], float] = field(default_factory=dict)
    rooms: Mapping[int, float] = field(default_factory=dict)


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

    @property
    def room_share(self) -> float:
        """Return the part of the machine's room for trials that is reserved for the trial; 0 without a limit."""
        return share_of(self.machine.max_trials) if self.machine.max_trials else 0.0


def share_of(trials: int) -> float:
    """Return the part of a GPU, or of a machine, that one of so many trials gets: so many of them fit, and no more."""
    return _SHARES // trials / _SHARES


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
        # By node id and GPU; None in its stead is the whole machine.
        self._sharing: Counter[tuple[str, int | None]] = Counter()
        self._changed: dict[tuple[str, int | None], float] = {}
        self._last_turn: dict[str, int] = {}
        self._turn = 0

    def machine(self, node: Node) -> MachineSpec:
        """Return how trials may use a machine; where nobody has told, as they like."""
        return self._machines.get(node.index, MachineSpec(node.index))

    def knows(self, node: Node) -> bool:
        """Tell whether somebody has told how trials may use a machine."""
        return node.index in self._machines

    def learn(self, machine: MachineSpec) -> None:
        """Be told how trials may use a machine."""
        self._machines[machine.index] = machine

    @property
    def needs_view(self) -> bool:
        """Tell whether what others do matters: where trials get GPUs, or are limited in number."""
        return bool(self._need.gpus) or any(machine.max_trials for machine in self._machines.values())

    def could_hold(self, node: Node) -> bool:
        """Tell whether a machine that does nothing else could run a trial."""
        need = self._need
        room = self.machine(node).max_trials != 0
        return room and len(node.gpus) >= need.gpus and node.cpus >= need.cpus and node.memory >= need.memory

    def take(self, nodes: Sequence[Node], view: ClusterView) -> Place | None:
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
        for shared in (None, *place.gpus):
            self._sharing[place.node.node_id, shared] += change
            self._changed[place.node.node_id, shared] = self._clock()

    def _room(self, node: Node, view: ClusterView) -> tuple[int, ...] | None:
        """Return the GPUs that a trial would get on a node, None where there is no room for it."""
        need, limits, trials = self._need, self.machine(node), self._trials[node.node_id]
        if limits.max_trials is not None and not self._has_share(
            (node.node_id, None), limits.max_trials, view.rooms.get(node.index, 0.0)
        ):
            return None
        if need.cpus * (trials + 1) > node.cpus or need.memory * (trials + 1) > node.memory:
            return None
        if not need.gpus:
            return ()
        free = sorted(
            (gpu for gpu in node.gpus if self._has_room(node, gpu, limits, view)),
            key=lambda gpu: (self._sharing[node.node_id, gpu], gpu),
        )
        return tuple(sorted(free[: need.gpus])) if len(free) >= need.gpus else None

    def _has_room(self, node: Node, gpu: int, limits: MachineSpec, view: ClusterView) -> bool:
        if not limits.use_active_gpu:
            strangers = view.strangers.get(node.node_id)
            if strangers is None or gpu in strangers:
                return False
        return self._has_share((node.node_id, gpu), limits.trials_per_gpu, view.reserved.get((node.index, gpu), 0.0))

    def _has_share(self, shared: tuple[str, int | None], most: int, reserved: float) -> bool:
        """Tell whether one more trial fits to those of ours and the others' that share something."""
        ours = self._sharing[shared]
        if ours >= most:
            return False
        if self._clock() - self._changed.get(shared, -math.inf) < SETTLE_S:
            return True
        share = share_of(most)
        others = max(0.0, reserved - ours * share)
        return others + (ours + 1) * share <= 1 + 1 / _SHARES
