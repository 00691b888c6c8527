"""Which machine a trial that needs no GPU goes to. GPUs, CPUs and memory are Ray's to place."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence


class RoundRobin:
    """Sends each trial to the machine with the fewest of ours, and among equals to the one that had none for longest.

    Ray itself places tasks that reserve nothing where it likes, usually all on one machine; NNI goes round them.
    """

    def __init__(self) -> None:
        self._running: Counter[str] = Counter()
        self._last_turn: dict[str, int] = {}
        self._turn = 0

    def take(self, nodes: Sequence[str]) -> str:
        """Choose one of the live nodes (at least one) and count a trial there."""
        node = min(nodes, key=lambda node: (self._running[node], self._last_turn.get(node, 0)))
        self._turn += 1
        self._last_turn[node] = self._turn
        self._running[node] += 1
        return node

    def release(self, node: str) -> None:
        """Count one trial less on a node."""
        self._running[node] -= 1
