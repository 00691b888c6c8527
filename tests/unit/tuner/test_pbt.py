"""PBT's population: who goes on from which checkpoint, with which parameters."""

from __future__ import annotations

from typing import Any

import pytest
from spaces import FLAT, NESTED

from ray_remote_nni.testing import assert_legal
from ray_remote_nni.tuner import NotYet, Tuner, create_tuner

SPACE = {"lr": {"_type": "loguniform", "_value": [1e-4, 1]}, "kind": {"_type": "choice", "_value": list(range(9))}}
DIRECTORIES = frozenset({"load_checkpoint_dir", "save_checkpoint_dir"})


def pbt(space: dict[str, Any] = SPACE, **class_args: Any) -> Tuner:
    arguments = {"all_checkpoint_dir": "/shared", "population_size": 5, "optimize_mode": "minimize", **class_args}
    return create_tuner("PBTTuner", space, arguments, seed=1)


def step(tuner: Tuner, number: int, losses: list[float | None]) -> list[dict[str, Any]]:
    """Ask for a whole step, end it, and return its parameters by place."""
    asked = [tuner.ask(f"{number}-{place}") for place in range(len(losses))]
    for place, loss in enumerate(losses):
        if loss is None:
            tuner.fail(f"{number}-{place}")
        else:
            tuner.tell(f"{number}-{place}", loss)
    return asked


def own(parameters: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in parameters.items() if name not in DIRECTORIES}


def test_a_member_goes_on_from_its_own_checkpoint_and_the_worst_from_a_copy_of_the_best() -> None:
    tuner = pbt()
    first = step(tuner, 0, [3.0, 1.0, 2.0, 5.0, 4.0])
    second = step(tuner, 1, [3.0, 1.0, 2.0, 5.0, 4.0])
    assert [p["save_checkpoint_dir"] for p in first] == [f"/shared/{place}/0" for place in range(5)]
    assert [p["load_checkpoint_dir"] for p in first] == [f"/shared/{place}/0" for place in range(5)]
    assert [p["save_checkpoint_dir"] for p in second] == [f"/shared/{place}/1" for place in range(5)]
    assert [p["load_checkpoint_dir"] for p in second] == [f"/shared/{place}/0" for place in (0, 1, 2, 1, 4)]
    assert [own(p) for p in second if p["load_checkpoint_dir"] != "/shared/1/0"] == [own(first[p]) for p in (0, 2, 4)]
    assert own(second[1]) == own(first[1]) != own(second[3])


def test_nobody_begins_the_next_step_before_all_have_made_this_one() -> None:
    tuner = pbt()
    for place in range(5):
        tuner.ask(str(place))
    for place in range(4):
        tuner.tell(str(place), 1.0)
        with pytest.raises(NotYet):
            tuner.ask("next")
    tuner.tell("4", 1.0)
    assert tuner.ask("next")["save_checkpoint_dir"] == "/shared/0/1"


def test_who_fails_goes_on_from_one_of_the_best_and_is_copied_by_nobody() -> None:
    tuner = pbt(fraction=0.2)
    step(tuner, 0, [None, None, 2.0, 1.0, None])
    assert [p["load_checkpoint_dir"] for p in step(tuner, 1, [1.0] * 5)] == [
        f"/shared/{place}/0" for place in (3, 3, 2, 3, 3)
    ]


def test_when_all_fail_they_start_again_from_where_they_were_with_other_parameters() -> None:
    tuner = pbt()
    step(tuner, 0, [1.0] * 5)
    failed = step(tuner, 1, [None] * 5)
    again = step(tuner, 2, [1.0] * 5)
    assert [p["load_checkpoint_dir"] for p in again] == [p["load_checkpoint_dir"] for p in failed]
    assert all(own(one) != own(other) for one, other in zip(again, failed, strict=True))


def test_parameters_move_by_one_value_or_by_the_factor() -> None:
    tuner = pbt(factor=0.1, resample_probability=0)
    first = step(tuner, 0, [1.0, 2.0, 2.0, 2.0, 3.0])
    moved = step(tuner, 1, [1.0] * 5)[4]
    assert abs(moved["kind"] - first[0]["kind"]) <= 1
    assert max(moved["lr"] / first[0]["lr"], first[0]["lr"] / moved["lr"]) == pytest.approx(10**0.4)


@pytest.mark.parametrize("space", [FLAT, NESTED])
def test_what_moves_stays_in_the_search_space(space: dict[str, Any]) -> None:
    tuner = pbt(space, factors=0.5, fraction=0.4)
    for number in range(25):
        for parameters in step(tuner, number, [1.0, 2.0, 3.0, 4.0, None]):
            assert_legal(space, parameters, DIRECTORIES)


def test_members_go_on_in_a_search_space_that_has_changed() -> None:
    before = pbt()
    asked = step(before, 0, [1.0] * 5)
    tuner = pbt({"lr": {"_type": "uniform", "_value": [2, 3]}})
    for place, parameters in enumerate(asked):
        tuner.restore(str(place), parameters)
    for place in range(5):
        tuner.tell(str(place), float(place))
    parameters = tuner.ask("next")
    assert parameters["save_checkpoint_dir"] == "/shared/0/1"
    assert 2 <= parameters["lr"] <= 3
