"""Where a trial goes: round all machines in turn, around one that fails, and only where there is room for it."""

from __future__ import annotations

from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from ray_remote_nni.experiment.placement import (
    DISTRUST_S,
    SETTLE_S,
    ClusterView,
    Need,
    Node,
    Place,
    Placement,
    share_of,
)
from ray_remote_nni.experiment.spec import MachineSpec

A, B, C = (Node(name, index) for index, name in enumerate("abc"))
NOTHING = ClusterView()


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def taken(placement: Placement, *nodes: Node, view: ClusterView = NOTHING) -> Place:
    place = placement.take(nodes, view)
    assert place is not None
    return place


def name(placement: Placement, *nodes: Node) -> str:
    return taken(placement, *nodes).node.node_id


def test_trials_go_round_the_machines_in_turn() -> None:
    placement = Placement(Need())
    assert [name(placement, A, B, C) for _ in range(6)] == ["a", "b", "c", "a", "b", "c"]


def test_a_machine_that_is_done_earlier_gets_the_next_trial() -> None:
    placement = Placement(Need())
    places = [taken(placement, A, B) for _ in range(4)]
    placement.release(next(place for place in places if place.node == B))
    assert name(placement, A, B) == "b"


def test_one_trial_at_a_time_still_visits_every_machine() -> None:
    placement = Placement(Need())
    visited: Counter[str] = Counter()
    for _ in range(9):
        place = taken(placement, A, B, C)
        placement.release(place)
        visited[place.node.node_id] += 1
    assert visited == {"a": 3, "b": 3, "c": 3}


def test_a_machine_that_loses_every_trial_does_not_get_them_all() -> None:
    placement = Placement(Need(), clock=Clock())
    for _ in range(5):
        place = taken(placement, A, B)
        if place.node == B:
            placement.release(place)
            placement.distrust(place)
    assert name(placement, A, B) == "a"


def test_a_machine_that_failed_is_tried_again_after_a_while_and_at_once_if_it_is_the_only_one() -> None:
    clock = Clock()
    placement = Placement(Need(), clock=clock)
    placement.distrust(taken(placement, A))
    assert name(placement, A) == "a"
    clock.now += DISTRUST_S + 1
    for _ in range(3):
        taken(placement, B)
    assert name(placement, A, B) == "a"


def test_a_machine_that_is_not_alive_gets_none() -> None:
    placement = Placement(Need())
    taken(placement, A, B)
    assert {name(placement, A) for _ in range(3)} == {"a"}


@settings(max_examples=40)
@given(st.lists(st.booleans(), max_size=60), st.integers(1, 5))
def test_a_trial_always_goes_to_a_machine_with_the_fewest(turns: list[bool], count: int) -> None:
    placement, nodes = Placement(Need()), [Node(str(number), number) for number in range(count)]
    running: dict[Node, list[Place]] = {node: [] for node in nodes}
    for take in turns:
        if take or not any(running.values()):
            least = min(map(len, running.values()))
            place = taken(placement, *nodes)
            assert len(running[place.node]) == least
            running[place.node].append(place)
        else:
            placement.release(max(running.values(), key=len).pop())


def test_a_machine_gets_no_more_trials_than_it_may_have() -> None:
    placement = Placement(Need(), [MachineSpec(0, max_trials=1), MachineSpec(1, max_trials=0)])
    place = taken(placement, A, B)
    assert place.node == A
    assert placement.take([A, B], NOTHING) is None
    placement.release(place)
    assert name(placement, A, B) == "a"
    assert not placement.could_hold(B)


def test_a_machine_that_joins_has_the_limits_that_are_learnt_of_it() -> None:
    placement = Placement(Need(), [MachineSpec(0)])
    assert (placement.knows(A), placement.knows(B), placement.needs_view) == (True, False, False)
    placement.learn(MachineSpec(1, max_trials=1))
    assert [name(placement, A, B) for _ in range(4)] == ["a", "b", "a", "a"]
    assert (placement.knows(B), placement.needs_view) == (True, True)


def test_a_limit_of_a_machine_counts_the_trials_of_other_experiments() -> None:
    clock = Clock()
    placement = Placement(Need(), [MachineSpec(0, max_trials=3)], clock)
    others = ClusterView(rooms={0: 2 * share_of(3)})
    taken(placement, A, view=others)
    clock.now += SETTLE_S + 1
    assert placement.take([A], ClusterView(rooms={0: 3 * share_of(3)})) is None
    assert taken(placement, A, view=ClusterView(rooms={0: 2 * share_of(3)})).room_share == share_of(3)


def test_trials_that_reserve_cpus_or_memory_go_where_these_are() -> None:
    small, large = Node("s", 0, cpus=2, memory=100), Node("l", 1, cpus=8, memory=1000)
    placement = Placement(Need(cpus=4, memory=200))
    assert [name(placement, small, large) for _ in range(2)] == ["l", "l"]
    assert placement.take([small, large], NOTHING) is None
    assert not placement.could_hold(small)


def gpu_node(*gpus: int, index: int = 0) -> Node:
    return Node("abc"[index], index, gpus)


def nobody(*nodes: Node) -> ClusterView:
    return ClusterView({node.node_id: frozenset() for node in nodes})


def test_trials_get_gpus_of_their_own_the_freest_first() -> None:
    node, placement = gpu_node(1, 3), Placement(Need(gpus=1))
    places = [taken(placement, node, view=nobody(node)) for _ in range(2)]
    assert [place.gpus for place in places] == [(1,), (3,)]
    assert placement.take([node], nobody(node)) is None
    placement.release(places[1])
    assert taken(placement, node, view=nobody(node)).gpus == (3,)


def test_two_gpus_can_be_shared_by_two_trials_each() -> None:
    node, placement = gpu_node(0, 2), Placement(Need(gpus=2), [MachineSpec(0, trials_per_gpu=2)])
    places = [taken(placement, node, view=nobody(node)) for _ in range(2)]
    assert [(place.gpus, place.gpu_share) for place in places] == [((0, 2), 0.5), ((0, 2), 0.5)]
    assert placement.take([node], nobody(node)) is None


def test_a_gpu_with_a_strangers_process_is_left_alone_until_it_is_free() -> None:
    node, placement = gpu_node(0, 1), Placement(Need(gpus=1))
    assert placement.take([node], ClusterView({"a": frozenset({0, 1})})) is None
    assert taken(placement, node, view=ClusterView({"a": frozenset({0})})).gpus == (1,)
    assert taken(placement, node, view=nobody(node)).gpus == (0,)


def test_with_use_active_gpu_strangers_do_not_matter() -> None:
    node, placement = gpu_node(0), Placement(Need(gpus=1), [MachineSpec(0, use_active_gpu=True)])
    assert taken(placement, node, view=ClusterView({"a": frozenset({0})})).gpus == (0,)


def test_a_machine_that_has_not_told_of_its_gpus_yet_must_wait() -> None:
    node, placement = gpu_node(0), Placement(Need(gpus=1))
    assert placement.take([node], NOTHING) is None


def test_machines_are_asked_for_the_gpus_that_a_trial_wants_at_once() -> None:
    one, two = gpu_node(0, index=0), gpu_node(0, 1, index=1)
    placement = Placement(Need(gpus=2))
    assert taken(placement, one, two, view=nobody(one, two)).node == two
    assert placement.take([one, two], nobody(one, two)) is None
    assert [placement.could_hold(node) for node in (one, two)] == [False, True]


def test_a_gpu_that_another_experiment_has_reserved_is_not_waited_for_while_another_is_free() -> None:
    node, placement = gpu_node(0, 1), Placement(Need(gpus=1), clock=Clock())
    view = ClusterView({"a": frozenset()}, {(0, 0): 0.5})
    assert taken(placement, node, view=view).gpus == (1,)
    assert placement.take([node], view) is None


def test_what_ray_tells_late_of_our_own_trials_keeps_nobody_waiting() -> None:
    clock, node = Clock(), gpu_node(0)
    placement = Placement(Need(gpus=1), clock=clock)
    late = ClusterView({"a": frozenset()}, {(0, 0): 1.0})
    placement.release(taken(placement, node, view=nobody(node)))
    place = taken(placement, node, view=late)
    clock.now += SETTLE_S + 1
    placement.release(place)
    clock.now += SETTLE_S + 1
    assert placement.take([node], late) is None


@given(st.integers(1, 100))
def test_as_many_shares_fit_as_trials_may_share_a_gpu_and_no_more(count: int) -> None:
    units = round(share_of(count) * 10_000)
    assert units * count <= 10_000 < units * (count + 1)


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_no_gpu_carries_more_trials_than_it_may_whatever_happens(data: st.DataObject) -> None:
    wanted = data.draw(st.integers(1, 3))
    nodes, specs = [], []
    for index in range(data.draw(st.integers(1, 3))):
        gpus = data.draw(st.sets(st.integers(0, 5), max_size=4))
        nodes.append(Node(str(index), index, tuple(sorted(gpus))))
        limit, active = data.draw(st.integers(1, 3)), data.draw(st.booleans())
        specs.append(MachineSpec(index, trials_per_gpu=limit, use_active_gpu=active))
    placement = Placement(Need(gpus=wanted), specs)
    running: list[Place] = []
    for _ in range(data.draw(st.integers(0, 30))):
        if running and data.draw(st.booleans()):
            placement.release(running.pop(data.draw(st.integers(0, len(running) - 1))))
            continue
        strangers = {node.node_id: data.draw(st.frozensets(st.sampled_from([*node.gpus, 9]))) for node in nodes}
        load = Counter((place.node, gpu) for place in running for gpu in place.gpus)
        place = placement.take(nodes, ClusterView(strangers))
        free = {
            node: [
                gpu
                for gpu in node.gpus
                if load[node, gpu] < spec.trials_per_gpu and (spec.use_active_gpu or gpu not in strangers[node.node_id])
            ]
            for node, spec in zip(nodes, specs, strict=True)
        }
        if place is None:
            assert all(len(gpus) < wanted for gpus in free.values())
        else:
            assert len(set(place.gpus)) == len(place.gpus) == wanted
            assert set(place.gpus) <= set(free[place.node])
            running.append(place)
