"""Which machine a trial that needs no GPU goes to. GPUs, CPUs and memory are Ray's to place."""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Callable, Sequence

#: How long a machine that failed is avoided.
DISTRUST_S = 60.0


class RoundRobin:
    """Sends each trial to the machine with the fewest of ours, and among equals to the one that had none for longest.

    Ray itself places tasks that reserve nothing where it likes, usually all on one machine; NNI goes round them.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._failed: dict[str, float] = {}
        self._running: Counter[str] = Counter()
        self._last_turn: dict[str, int] = {}
        self._turn = 0

    def take(self, nodes: Sequence[str]) -> str:
        """Choose one of the live nodes (at least one) and count a trial there."""
        recently = self._clock() - DISTRUST_S
        trusted = [node for node in nodes if self._failed.get(node, -math.inf) < recently]
        node = min(trusted or nodes, key=lambda node: (self._running[node], self._last_turn.get(node, 0)))
        self._turn += 1
        self._last_turn[node] = self._turn
        self._running[node] += 1
        return node

    def distrust(self, node: str) -> None:
        """Send nothing to a node for a while, if there are others: a trial could not be started there, or was lost.

        A machine whose disk is full would otherwise get, and lose, one trial after the other, being always idle.
        """
        self._failed[node] = self._clock()

    def release(self, node: str) -> None:
        """Count one trial less on a node."""
        self._running[node] -= 1
