"""What BOHB promises beyond Hyperband."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from spaces import NESTED, choice, uniform

from ray_remote_nni.config.algorithm_defaults import DEFAULTS
from ray_remote_nni.errors import UsageError
from ray_remote_nni.testing import assert_legal
from ray_remote_nni.tuner import NotYet, Tuner, create_tuner

SPACE = {"x": uniform(0, 1), "y": uniform(0, 1), "kind": choice("a", "b", "c")}
BUDGET = "TRIAL_BUDGET"


def bohb(space: dict[str, Any] = SPACE, **class_args: Any) -> Tuner:
    return create_tuner("BOHB", space, {"optimize_mode": "minimize", "max_budget": 9, **class_args}, seed=3)


def loss(parameters: dict[str, Any]) -> float:
    return (parameters["x"] - 0.3) ** 2 + (parameters["y"] - 0.8) ** 2 + (parameters["kind"] != "b")


def run(tuner: Tuner, trials: int, failing: bool = False) -> list[dict[str, Any]]:
    asked = []
    for number in range(trials):
        asked.append(tuner.ask(str(number)))
        if failing and asked[-1]["x"] > 0.5:
            tuner.fail(str(number))
        else:
            tuner.tell(str(number), loss(asked[-1]))
    return asked


def new_ones(asked: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Those that did not run with a smaller budget before."""
    seen: set[float] = set()
    return [each for each in asked if each["x"] not in seen and not seen.add(each["x"])]  # type: ignore[func-returns-value]


def test_brackets_start_with_what_the_model_prefers() -> None:
    def late_losses(**class_args: Any) -> float:
        return float(np.median([loss(each) for each in new_ones(run(bohb(**class_args), 130))[40:]]))

    assert late_losses(random_fraction=0) < late_losses(random_fraction=1) / 5


def test_a_part_of_the_configurations_is_drawn_all_the_same() -> None:
    late = new_ones(run(bohb(random_fraction=0.33), 300))[40:]
    far = np.mean([each["kind"] != "b" for each in late])
    assert 0.33 * 2 / 3 - 0.1 < far < 0.33 * 2 / 3 + 0.15


def test_where_trials_fail_the_model_does_not_go() -> None:
    late = new_ones(run(bohb(random_fraction=0), 130, failing=True))[40:]
    assert np.mean([each["x"] > 0.5 for each in late]) < 0.1


def test_the_model_of_the_largest_budget_counts() -> None:
    tuner = bohb(random_fraction=0)
    for number in range(40):
        x = number / 40
        for budget, value in ((2, x), (8, 1 - x)):  # budgets of no rung
            trial = f"{number} with {budget}"
            tuner.restore(trial, {"x": x, "y": 0.5, "kind": "a", BUDGET: budget})
            tuner.tell(trial, value)
    assert np.mean([tuner.ask(str(number))["x"] for number in range(9)]) > 0.75


def test_results_without_a_budget_count_as_those_of_the_largest() -> None:
    with_budget, without = bohb(), bohb()
    for number in range(30):
        parameters = {"x": number / 30, "y": 0.5, "kind": "b"}
        with_budget.restore(str(number), parameters | {BUDGET: 9})
        without.restore(str(number), parameters)
        for tuner in (with_budget, without):
            tuner.tell(str(number), loss(parameters))
    assert [with_budget.ask(trial) for trial in "abc"] == [without.ask(trial) for trial in "abc"]


def test_the_next_bracket_waits_for_the_end_of_the_one_before() -> None:
    tuner = bohb()
    budgets = [each[BUDGET] for each in run(tuner, 13)]
    assert budgets == [1] * 9 + [3] * 3 + [9]
    for number in range(5):
        assert tuner.ask(f"next {number}")[BUDGET] == 3
    with pytest.raises(NotYet):
        tuner.ask("more")


@pytest.mark.parametrize("space", [NESTED, {"n": {"_type": "normal", "_value": [0, 1]}}, {}], ids=["nested", "1", "0"])
def test_any_space_is_searched_after_there_is_a_model(space: dict[str, Any]) -> None:
    tuner = create_tuner("BOHB", space, {"max_budget": 9, "random_fraction": 0}, seed=0, duplicates="allow")
    for number in range(100):
        assert_legal(space, tuner.ask(str(number)), frozenset({BUDGET}))
        tuner.tell(str(number), number % 17)


def test_budgets_the_wrong_way_round_are_refused() -> None:
    with pytest.raises(UsageError, match="at least min_budget, which is 10"):
        bohb(min_budget=10)


@pytest.mark.parametrize(
    "class_args",
    [
        {"min_points_in_model": 30},
        {"top_n_percent": 60},
        {"num_samples": 3},
        {"random_fraction": 0.9},
        {"bandwidth_factor": 1.0},
        {"min_bandwidth": 0.3},
    ],
)
def test_every_argument_of_the_model_changes_what_is_suggested_once_there_is_one(class_args: dict[str, Any]) -> None:
    default, changed = run(bohb(), 60), run(bohb(**class_args), 60)
    assert default[:5] == changed[:5]
    assert default != changed


def test_the_settings_that_check_shows_are_those_without_class_args() -> None:
    shown: dict[str, Any] = dict(DEFAULTS["BOHB"])
    assert shown.pop("min_points_in_model") == "one more than there are parameters"
    assert shown.pop("random_fraction") == "1/3"
    del shown["seed"]
    given = {name: value if name == "optimize_mode" else float(value) for name, value in shown.items()}
    whole = {name: int(value) for name, value in given.items() if isinstance(value, float) and value.is_integer()}
    class_args = given | whole | {"min_points_in_model": len(SPACE) + 1, "random_fraction": 1 / 3}
    silent, said = (create_tuner("BOHB", SPACE, each, seed=1) for each in ({}, class_args))
    assert run(silent, 60) == run(said, 60)
