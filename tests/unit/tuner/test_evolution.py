"""What Evolution promises beyond what every tuner does."""

from __future__ import annotations

import json
from typing import Any

import pytest
from spaces import NESTED, uniform

from ray_remote_nni.config.algorithm_defaults import DEFAULTS
from ray_remote_nni.testing import assert_legal
from ray_remote_nni.tuner import NotYet, create_tuner

PAIR = {"x": uniform(0, 1), "y": uniform(0, 1)}


def evolution(space: dict[str, Any], size: int, **class_args: Any) -> Any:
    return create_tuner(
        "Evolution", space, {"population_size": size, "optimize_mode": "minimize", **class_args}, seed=1
    )


def differences(one: dict[str, Any], other: dict[str, Any]) -> int:
    return sum(json.dumps(one[name]) != json.dumps(other[name]) for name in one)


def test_the_better_of_two_has_a_child_that_differs_in_one_parameter_and_the_other_leaves() -> None:
    tuner = evolution(PAIR, 2)
    best, worse = tuner.ask("a"), tuner.ask("b")
    tuner.tell("a", 1.0)
    tuner.tell("b", 2.0)
    for number in range(20):
        child = tuner.ask(str(number))
        assert (differences(best, child), differences(worse, child)) == (1, 2)
        tuner.tell(str(number), 3.0)


def test_more_trials_than_the_population_has_members_never_run() -> None:
    tuner = evolution(PAIR, 3)
    for trial in "abc":
        tuner.ask(trial)
    with pytest.raises(NotYet):
        tuner.ask("d")
    tuner.tell("a", 1.0)
    assert tuner.ask("d")


def test_who_failed_is_replaced_by_one_that_is_drawn() -> None:
    tuner = evolution(PAIR, 2)
    good = tuner.ask("good")
    tuner.tell("good", 1.0)
    for number in range(20):
        assert differences(good, tuner.ask(str(number))) == 2
        tuner.fail(str(number))


def test_a_choice_that_changes_brings_parameters_of_its_own() -> None:
    tuner = evolution(NESTED, 1)
    models = set()
    for number in range(40):
        parameters = tuner.ask(str(number))
        assert_legal(NESTED, parameters)
        models.add(parameters["model"]["_name"])
        tuner.tell(str(number), 1.0)
    assert models == {"linear", "tree", "net"}


def test_generations_come_closer_to_the_best() -> None:
    def best(name: str, **class_args: Any) -> float:
        tuner = create_tuner(name, PAIR, {"optimize_mode": "minimize", **class_args}, seed=2)
        values = []
        for number in range(150):
            parameters = tuner.ask(str(number))
            values.append((parameters["x"] - 0.3) ** 2 + (parameters["y"] - 0.6) ** 2)
            tuner.tell(str(number), values[-1])
        return sum(sorted(values)[:20])

    assert best("Evolution", population_size=16) < best("Random") / 3


def test_the_population_that_check_shows_is_the_one_without_class_args() -> None:
    tuner = create_tuner("Evolution", PAIR)
    for number in range(int(DEFAULTS["Evolution"]["population_size"])):
        tuner.ask(str(number))
    with pytest.raises(NotYet):
        tuner.ask("more")
