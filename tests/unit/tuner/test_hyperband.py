"""What Hyperband promises beyond what every tuner does."""

from __future__ import annotations

import json
import math
from collections import deque
from typing import Any

import pytest
from spaces import FLAT, choice, uniform

from ray_remote_nni.config.algorithm_defaults import DEFAULTS
from ray_remote_nni.errors import UsageError
from ray_remote_nni.tuner import NoMoreTrials, NotYet, Tuner, create_tuner
from ray_remote_nni.tuner.brackets import plan_brackets

LINE = {"x": uniform(0, 1)}
BUDGET = "TRIAL_BUDGET"


def hyperband(space: dict[str, Any] = LINE, **class_args: Any) -> Tuner:
    return create_tuner("Hyperband", space, {"optimize_mode": "minimize", "R": 9, **class_args}, seed=1)


def run(tuner: Tuner, trials: int, at_once: int = 1) -> list[dict[str, Any]]:
    """Ask for trials and end the oldest first; their values are their `x`."""
    asked: list[dict[str, Any]] = []
    running: deque[int] = deque()
    while len(asked) < trials:
        try:
            if len(running) == at_once:
                raise NotYet
            parameters = tuner.ask(str(len(asked)))
        except NotYet:
            ended = running.popleft()
            tuner.tell(str(ended), asked[ended]["x"])
            continue
        running.append(len(asked))
        asked.append(parameters)
    return asked


@pytest.mark.parametrize(
    ("most", "eta", "expected"),
    [
        # The first is the table of NNI's documentation, and of the paper; all are what NNI 3.0 computes.
        (81, 3, "81x1 27x3 9x9 3x27 1x81|34x3 11x9 3x27 1x81|15x9 5x27 1x81|8x27 2x81|5x81"),
        (60, 3, "27x2 9x6 3x20 1x60|12x6 4x20 1x60|6x20 2x60|4x60"),
        (16, 2, "16x1 8x2 4x4 2x8 1x16|10x2 5x4 2x8 1x16|7x4 3x8 1x16|5x8 2x16|5x16"),
        (27, 4, "16x1 4x6 1x27|6x6 1x27|3x27"),
        (243, 3, "243x1 81x3 27x9 9x27 3x81 1x243|98x3 32x9 10x27 3x81 1x243|41x9 13x27 4x81 1x243|18x27 6x81 2x243"
                 "|9x81 3x243|6x243"),
        (1, 3, "1x1"),
        (2, 3, "1x2"),
    ],
)  # fmt: skip
def test_the_brackets_are_nnis(most: int, eta: int, expected: str) -> None:
    plans = plan_brackets(1, most, eta)
    assert "|".join(" ".join(f"{rung.size}x{rung.budget}" for rung in plan) for plan in plans) == expected


@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        ("parallelism", "111111111333339993331111111119933333333999111111111993333333"),
        ("serial", "111111111333933333999911111111133393333399991111111113339333"),
    ],
)
def test_budgets_come_in_the_order_in_which_nni_gives_them(mode: str, expected: str) -> None:
    budgets = [parameters[BUDGET] for parameters in run(hyperband(exec_mode=mode), 60, at_once=8)]
    assert "".join(map(str, budgets)) == expected


def test_the_best_of_a_rung_run_again_with_more() -> None:
    asked = run(hyperband(), 13)
    first, second, third = asked[:9], asked[9:12], asked[12:]
    ranked = sorted(parameters["x"] for parameters in first)
    assert [parameters["x"] for parameters in second] == ranked[:3]
    assert [parameters["x"] for parameters in third] == ranked[:1]
    assert [parameters[BUDGET] for parameters in asked] == [1] * 9 + [3] * 3 + [9]


def test_where_a_rung_has_to_end_first_the_next_bracket_starts_only_if_they_run_in_parallel() -> None:
    serial, parallel = hyperband(exec_mode="serial"), hyperband(exec_mode="parallelism")
    for number in range(9):
        assert serial.ask(str(number)) == parallel.ask(str(number))
    with pytest.raises(NotYet):
        serial.ask("10th")
    assert parallel.ask("10th")[BUDGET] == 3


def test_who_failed_does_not_go_on_and_a_rung_is_the_smaller_for_it() -> None:
    tuner = hyperband(exec_mode="serial")
    asked = [tuner.ask(str(number))["x"] for number in range(9)]
    for number in range(9):
        if number in (4, 6):
            tuner.tell(str(number), asked[number])
        else:
            tuner.fail(str(number))
    second = [tuner.ask(f"second {number}") for number in range(2)]
    assert [parameters["x"] for parameters in second] == sorted((asked[4], asked[6]))
    with pytest.raises(NotYet):
        tuner.ask("third")
    tuner.fail("second 0")
    tuner.tell("second 1", 1.0)
    assert tuner.ask("last") == {"x": second[1]["x"], BUDGET: 9}


def test_a_bracket_of_failures_ends_and_the_next_one_starts() -> None:
    tuner = hyperband(exec_mode="serial")
    budgets = []
    for number in range(17):
        budgets.append(tuner.ask(str(number))[BUDGET])
        tuner.fail(str(number))
    assert budgets == [1] * 9 + [3] * 5 + [9] * 3


def test_infinitely_bad_is_worst_and_no_failure() -> None:
    tuner = hyperband(exec_mode="serial")
    asked = [tuner.ask(str(number))["x"] for number in range(9)]
    for number in range(9):
        tuner.tell(str(number), math.inf if number else 5.0)
    assert tuner.ask("best")["x"] == asked[0]


def test_a_finite_space_runs_once_with_each_brackets_first_budget_and_then_ends() -> None:
    tuner = hyperband({"x": choice(*range(12))}, exec_mode="serial")
    asked: list[dict[str, Any]] = []
    while isinstance(parameters := answer(tuner, str(len(asked))), dict):
        tuner.tell(str(len(asked)), parameters["x"])
        asked.append(parameters)
    assert parameters is NoMoreTrials
    for budget in (1, 3, 9):
        assert {parameters["x"] for parameters in asked if parameters[BUDGET] == budget} == set(range(12))
    firsts = [parameters["x"] for parameters in asked if parameters[BUDGET] == 1]
    assert sorted(firsts) == list(range(12))


def test_with_duplicates_a_finite_space_goes_on() -> None:
    tuner = create_tuner("Hyperband", {"x": choice(1, 2)}, {"R": 9}, seed=0, duplicates="allow")
    assert len(run(tuner, 100)) == 100


@pytest.mark.parametrize("mode", ["serial", "parallelism"])
@pytest.mark.parametrize("space", [FLAT | LINE, {"x": choice(*range(14))}], ids=["endless", "finite"])
def test_a_replay_finds_every_trials_place(mode: str, space: dict[str, Any]) -> None:
    tuner, again = hyperband(space, exec_mode=mode), hyperband(space, exec_mode=mode)
    running: deque[tuple[str, dict[str, Any]]] = deque()
    for number in range(90):
        parameters = answer(tuner, str(number))
        if isinstance(parameters, dict):
            again.restore(str(number), json.loads(json.dumps(parameters)))
            running.append((str(number), parameters))
        if running and (len(running) > 4 or not isinstance(parameters, dict)):
            running.rotate(number)
            trial, ended = running.popleft()
            for each in (tuner, again):
                each.fail(trial) if number % 5 == 2 else each.tell(trial, ended["x"])
    for number in range(30):
        assert answer(again, f"more {number}") == answer(tuner, f"more {number}")


def answer(tuner: Tuner, trial: str) -> dict[str, Any] | type[Exception]:
    try:
        return tuner.ask(trial)
    except (NotYet, NoMoreTrials) as nothing:
        return type(nothing)


def test_trials_from_elsewhere_take_no_place_in_a_bracket() -> None:
    tuner, other = hyperband(), hyperband()
    for number, parameters in enumerate([{"x": 0.5}, {"x": 0.5, BUDGET: 4}, {"x": 0.5, BUDGET: "all"}, {"y": 1}]):
        tuner.restore(f"old {number}", parameters)
        other.restore(f"old {number}", {"y": 1})
        tuner.tell(f"old {number}", -1.0)
        other.fail(f"old {number}")
    assert run(tuner, 30) == run(other, 30)


def test_a_parameter_of_the_budgets_name_is_refused() -> None:
    with pytest.raises(UsageError, match=BUDGET):
        hyperband({BUDGET: uniform(0, 1)})


def test_the_settings_that_check_shows_are_those_without_class_args() -> None:
    shown = {name: DEFAULTS["Hyperband"][name] for name in ("optimize_mode", "exec_mode")}
    numbers = {name: int(DEFAULTS["Hyperband"][name]) for name in ("R", "eta")}
    silent = create_tuner("Hyperband", LINE, seed=1)
    assert run(silent, 80, at_once=3) == run(create_tuner("Hyperband", LINE, shown | numbers, seed=1), 80, at_once=3)
