"""Finds machines that Ray starts no workers on, though they live: trials that are sent there would wait for ever.

Memory or processes run out, or a Python has been changed since `up`. A trial may also wait for its code, for GPUs, or
for what others have reserved, and that for long: so a machine on which none begins is tried with a task that needs
nothing but a worker.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any

#: How long none of a machine's trials begins before it is tried, and how long that task may take: workers of many
#: trials start a few at a time.
PATIENCE_S = 60.0


@dataclass
class _Silence:
    since: float
    waiting: set[str]
    task: Future[Any] | None = None


class WorkerWatch:
    """`try_node` submits a task to the node of this id, and returns its future."""

    def __init__(self, try_node: Callable[[str], Future[Any]]) -> None:
        self._try_node = try_node
        self._silent: dict[str, _Silence] = {}

    def without_workers(self, waiting: Iterable[tuple[str, str]]) -> set[str]:
        """Return the nodes that start no workers; `waiting` has the node and the name of each trial not begun yet."""
        now = time.monotonic()
        by_node: dict[str, set[str]] = {}
        for node, trial in waiting:
            by_node.setdefault(node, set()).add(trial)
        # Whoever began, or came to an end, had a worker.
        self._silent = {
            node: silence for node, silence in self._silent.items() if silence.waiting <= by_node.get(node, set())
        }
        return {node for node, trials in by_node.items() if self._starts_none(node, trials, now)}

    def _starts_none(self, node: str, trials: set[str], now: float) -> bool:
        silence = self._silent.setdefault(node, _Silence(now, trials))
        silence.waiting = trials
        if silence.task is not None and silence.task.done():
            # They wait for something else.
            silence.since, silence.task = now, None
        if now - silence.since < PATIENCE_S:
            return False
        if silence.task is None:
            silence.since, silence.task = now, self._try_node(node)
            return False
        silence.task.cancel()
        del self._silent[node]
        return True
