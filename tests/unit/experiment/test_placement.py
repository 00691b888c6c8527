"""Which machine a trial goes to: round all of them in turn, and around one that fails."""

from __future__ import annotations

from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from ray_remote_nni.experiment.placement import DISTRUST_S, RoundRobin


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_trials_go_round_the_machines_in_turn() -> None:
    placement = RoundRobin()
    assert [placement.take(["a", "b", "c"]) for _ in range(6)] == ["a", "b", "c", "a", "b", "c"]


def test_a_machine_that_is_done_earlier_gets_the_next_trial() -> None:
    placement = RoundRobin()
    for _ in range(4):
        placement.take(["a", "b"])
    placement.release("b")
    assert placement.take(["a", "b"]) == "b"


def test_one_trial_at_a_time_still_visits_every_machine() -> None:
    placement = RoundRobin()
    visited: Counter[str] = Counter()
    for _ in range(9):
        node = placement.take(["a", "b", "c"])
        placement.release(node)
        visited[node] += 1
    assert visited == {"a": 3, "b": 3, "c": 3}


def test_a_machine_that_loses_every_trial_does_not_get_them_all() -> None:
    clock = Clock()
    placement = RoundRobin(clock)
    for _ in range(5):
        node = placement.take(["good", "full"])
        if node == "full":
            placement.release(node)
            placement.distrust(node)
    assert placement.take(["good", "full"]) == "good"


def test_a_machine_that_failed_is_tried_again_after_a_while_and_at_once_if_it_is_the_only_one() -> None:
    clock = Clock()
    placement = RoundRobin(clock)
    placement.distrust("a")
    assert placement.take(["a"]) == "a"
    clock.now += DISTRUST_S + 1
    placement.take(["b"])
    placement.take(["b"])
    assert placement.take(["a", "b"]) == "a"


def test_a_machine_that_is_not_alive_gets_none() -> None:
    placement = RoundRobin()
    placement.take(["a", "b"])
    assert {placement.take(["a"]) for _ in range(3)} == {"a"}


@settings(max_examples=40)
@given(st.lists(st.booleans(), max_size=60), st.integers(1, 5))
def test_a_trial_always_goes_to_a_machine_with_the_fewest(turns: list[bool], count: int) -> None:
    placement, nodes = RoundRobin(), [str(number) for number in range(count)]
    running = Counter({node: 0 for node in nodes})
    for take in turns:
        if take or not running.total():
            least = min(running.values())
            node = placement.take(nodes)
            assert running[node] == least
            running[node] += 1
        else:
            node = max(nodes, key=lambda node: running[node])
            placement.release(node)
            running[node] -= 1
