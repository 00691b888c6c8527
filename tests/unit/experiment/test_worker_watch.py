"""Machines that Ray starts no workers on are told from those whose trials wait for something else."""

from __future__ import annotations

from concurrent.futures import Future
from typing import Any

import pytest

from ray_remote_nni.experiment.worker_watch import PATIENCE_S, WorkerWatch

Waiting = list[tuple[str, str]]


class Tried:
    """The tasks that were sent to nodes, and a clock."""

    def __init__(self) -> None:
        self.tasks: list[tuple[str, Future[Any]]] = []
        self.now = 0.0
        self.watch = WorkerWatch(self._try_node)

    def _try_node(self, node: str) -> Future[Any]:
        self.tasks.append((node, Future()))
        return self.tasks[-1][1]

    def after(self, seconds: float, waiting: Waiting) -> set[str]:
        """Let time pass, with a look every two seconds."""
        until, found = self.now + seconds, set()
        while self.now < until:
            self.now += 2
            found |= self.watch.without_workers(waiting)
        return found


@pytest.fixture
def tried(monkeypatch: pytest.MonkeyPatch) -> Tried:
    made = Tried()
    monkeypatch.setattr("ray_remote_nni.experiment.worker_watch.time.monotonic", lambda: made.now)
    return made


def test_a_node_that_starts_no_worker_for_trials_nor_for_a_task_of_ours_is_found(tried: Tried) -> None:
    assert tried.after(PATIENCE_S, [("a", "t1")]) == set()
    assert tried.after(PATIENCE_S + 4, [("a", "t1"), ("a", "t2"), ("b", "t3")]) == {"a"}
    assert [node for node, _ in tried.tasks if node == "a"] == ["a"]


def test_a_node_whose_trials_wait_for_something_else_is_left_alone(tried: Tried) -> None:
    assert tried.after(PATIENCE_S + 4, [("a", "t1")]) == set()
    for _ in range(5):
        tried.tasks[-1][1].set_result(None)
        assert tried.after(PATIENCE_S + 4, [("a", "t1")]) == set()


@pytest.mark.parametrize("then", [[("a", "t2")], []])
def test_a_node_on_which_one_began_has_workers(tried: Tried, then: Waiting) -> None:
    both = [("a", "t1"), ("a", "t2")]
    for waiting in (both, then, [("a", "t3")]):
        assert tried.after(PATIENCE_S - 10, waiting) == set()
    assert tried.tasks == []
