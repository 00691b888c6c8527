"""What TPE promises beyond what every tuner does."""

from __future__ import annotations

import json
import math
import threading
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from spaces import FLAT, NESTED, SMALL, SMALL_SIZE, choice, randint, search_spaces, uniform

from ray_remote_nni.testing import assert_legal
from ray_remote_nni.tuner import NoMoreTrials, Tuner, create_tuner

Space = dict[str, Any]


def score(parameters: Any) -> float:
    """Some deterministic value of any parameters."""
    return float(sum(json.dumps(parameters).encode()) % 101)


def run(tuner: Tuner, trials: int, at_once: int = 1, first: int = 0) -> list[dict[str, Any]]:
    """Ask for trials and end them in order, every seventh as a failure, `at_once` running at a time."""
    asked: list[dict[str, Any]] = []
    ended = 0
    for number in range(trials):
        asked.append(tuner.ask(f"t{first + number}"))
        while number - ended >= at_once - 1 and ended <= number:
            end(tuner, first + ended, asked[ended])
            ended += 1
    return asked


def end(tuner: Tuner, number: int, parameters: dict[str, Any]) -> None:
    if number % 7 == 3:
        tuner.fail(f"t{number}")
    else:
        tuner.tell(f"t{number}", score(parameters))


@settings(max_examples=30, deadline=None)
@given(search_spaces(), st.integers(0, 2**31), st.sampled_from([1, 5]))
def test_every_suggestion_is_a_point_of_the_space(space: Space, seed: int, at_once: int) -> None:
    tuner = create_tuner("TPE", space, seed=seed, duplicates="allow")
    for parameters in run(tuner, 35, at_once):
        assert_legal(space, parameters)


@pytest.mark.parametrize("space", [FLAT, NESTED], ids=["flat", "nested"])
@pytest.mark.parametrize("at_once", [1, 8])
def test_the_same_seed_gives_the_same_trials(space: Space, at_once: int) -> None:
    first = run(create_tuner("TPE", space, seed=5), 45, at_once)
    assert run(create_tuner("TPE", space, seed=5), 45, at_once) == first
    assert run(create_tuner("TPE", space, seed=6), 45, at_once) != first


@pytest.mark.parametrize("space", [FLAT, NESTED, SMALL], ids=["flat", "nested", "small"])
@pytest.mark.parametrize(
    "class_args",
    [{}, {"tpe_args": {"constant_liar_type": "best", "gamma": 0.5}}, {"tpe_args": {"constant_liar_type": "mean"}}],
    ids=["default", "best liar", "mean liar"],
)
def test_a_tuner_that_was_replayed_goes_on_like_the_first(space: Space, class_args: dict[str, Any]) -> None:
    first = create_tuner("TPE", space, class_args, seed=3)
    asked = [first.ask(f"t{number}") for number in range(4)]
    ends = []
    for number in range(18):
        asked.append(first.ask(f"t{number + 4}"))
        other = number ^ 1  # they do not end in the order in which they were asked for
        end(first, other, asked[other])
        ends.append(other)
    second = create_tuner("TPE", space, class_args, seed=3)
    for number, parameters in enumerate(asked):
        second.restore(f"t{number}", json.loads(json.dumps(parameters)))
    for number in ends:
        end(second, number, asked[number])
    for number in range(22, 24):
        assert second.ask(f"t{number}") == first.ask(f"t{number}")


def test_maximize_is_minimize_of_the_negative_value() -> None:
    down = create_tuner("TPE", FLAT, {"optimize_mode": "minimize"}, seed=1)
    up = create_tuner("TPE", FLAT, {"optimize_mode": "maximize"}, seed=1)
    for number in range(40):
        parameters = down.ask(str(number))
        assert up.ask(str(number)) == parameters
        down.tell(str(number), score(parameters))
        up.tell(str(number), -score(parameters))


def test_a_finite_space_is_gone_through_without_a_repeat_and_then_ends() -> None:
    tuner = create_tuner("TPE", SMALL, seed=2)
    asked = run(tuner, SMALL_SIZE, at_once=3)
    assert len({json.dumps(parameters) for parameters in asked}) == SMALL_SIZE
    with pytest.raises(NoMoreTrials):
        tuner.ask("one more")
    tuner.tell(f"t{SMALL_SIZE - 1}", 1.0)  # running trials still count


def test_a_restored_configuration_is_not_asked_for_again() -> None:
    tuner = create_tuner("TPE", {"x": choice("a", "b")}, seed=0)
    tuner.restore("old", {"x": "a"})
    assert tuner.ask("new") == {"x": "b"}
    with pytest.raises(NoMoreTrials):
        tuner.ask("more")


def test_equal_choices_are_one_configuration() -> None:
    tuner = create_tuner("TPE", {"x": choice(1, 1, 1.0)}, seed=0)
    assert {json.dumps(tuner.ask(trial)["x"]) for trial in "ab"} == {"1", "1.0"}
    with pytest.raises(NoMoreTrials):
        tuner.ask("c")


def test_duplicates_are_allowed_where_asked_for() -> None:
    tuner = create_tuner("TPE", {"x": choice("a", "b")}, seed=0, duplicates="allow")
    assert len(run(tuner, 30)) == 30


def test_an_endless_space_that_gives_almost_always_the_same_goes_on() -> None:
    tuner = create_tuner("TPE", {"x": {"_type": "qnormal", "_value": [0, 1e-9, 1]}}, seed=0)
    assert [tuner.ask(trial) for trial in "abc"] == [{"x": 0.0}] * 3


def test_a_space_without_parameters_has_one_trial() -> None:
    tuner = create_tuner("TPE", {}, seed=0)
    assert tuner.ask("a") == {}
    with pytest.raises(NoMoreTrials):
        tuner.ask("b")


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("mode", ["minimize", "maximize"])
def test_a_value_that_is_no_finite_number_is_never_a_good_trial(bad: float, mode: str) -> None:
    space = {"x": uniform(0, 1)}
    tuner = create_tuner("TPE", space, {"optimize_mode": mode}, seed=4)
    sign = 1 if mode == "minimize" else -1
    late = []
    for number in range(80):
        x = tuner.ask(str(number))["x"]
        tuner.tell(str(number), bad if x > 0.5 else sign * abs(x - 0.3))
        late.append(x)
    assert np.mean(np.array(late[40:]) > 0.5) < 0.1


def test_trials_that_fail_somewhere_are_not_tried_there_much_longer() -> None:
    tuner = create_tuner("TPE", {"x": uniform(0, 1)}, seed=4)
    xs = []
    for number in range(80):
        xs.append(tuner.ask(str(number))["x"])
        if xs[-1] > 0.5:
            tuner.fail(str(number))
        else:
            tuner.tell(str(number), abs(xs[-1] - 0.3))
    assert np.mean(np.array(xs[40:]) > 0.5) < 0.1


def test_nothing_but_failures_is_random_search() -> None:
    tuner = create_tuner("TPE", {"x": uniform(0, 1)}, seed=1)
    xs = []
    for number in range(60):
        xs.append(tuner.ask(str(number))["x"])
        tuner.fail(str(number))
    assert np.ptp(xs) > 0.8


@pytest.mark.parametrize("space", [FLAT, NESTED], ids=["flat", "nested"])
def test_nothing_but_infinitely_bad_values_goes_on(space: Space) -> None:
    tuner = create_tuner("TPE", space, seed=1)
    for number in range(30):
        assert_legal(space, tuner.ask(str(number)))
        tuner.tell(str(number), math.inf)


def test_many_trials_at_once_before_any_result_are_random_and_different() -> None:
    tuner = create_tuner("TPE", NESTED, seed=0)
    assert len({json.dumps(tuner.ask(str(number))) for number in range(60)}) == 60


def test_parameters_of_another_space_are_taken_and_teach_nothing() -> None:
    tuner, other = (create_tuner("TPE", {"x": uniform(0, 1)}, seed=0) for _ in range(2))
    for number in range(12):
        for each in (tuner, other):
            each.tell(str(number), each.ask(str(number))["x"])
    tuner.restore("foreign", {"y": 3})
    other.restore("foreign", {"x": 7})
    tuner.tell("foreign", -100.0)
    assert tuner.ask("next") == other.ask("next")


def test_the_ends_of_trials_that_do_not_run_are_refused() -> None:
    tuner = create_tuner("TPE", FLAT, seed=0)
    with pytest.raises(ValueError, match="a is not running"):
        tuner.tell("a", 1.0)
    tuner.ask("a")
    tuner.fail("a")
    with pytest.raises(ValueError, match="a is not running"):
        tuner.fail("a")


def test_an_id_can_run_only_once_at_a_time() -> None:
    tuner = create_tuner("TPE", FLAT, seed=0)
    tuner.ask("a")
    with pytest.raises(ValueError, match="a is running already"):
        tuner.ask("a")
    with pytest.raises(ValueError, match="a is running already"):
        tuner.restore("a", {})


def test_threads_can_ask_and_tell_at_once() -> None:
    tuner = create_tuner("TPE", SMALL, seed=0)
    found: list[str] = []

    def work(worker: int) -> None:
        for number in range(SMALL_SIZE // 4):
            parameters = tuner.ask(f"{worker}-{number}")
            found.append(json.dumps(parameters))
            tuner.tell(f"{worker}-{number}", score(parameters))

    threads = [threading.Thread(target=work, args=(worker,)) for worker in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(found)) == len(found) == SMALL_SIZE


def test_a_huge_randint_is_searched_over_its_whole_range() -> None:
    tuner = create_tuner("TPE", {"n": randint(0, 2**31)}, seed=0)
    goal = 123_456_789
    best = math.inf
    for number in range(100):
        n = tuner.ask(str(number))["n"]
        best = min(best, abs(n - goal))
        tuner.tell(str(number), abs(n - goal))
    assert best < 2**31 / 1000


@pytest.mark.parametrize(
    "tpe_args",
    [
        {"n_startup_jobs": 3, "n_ei_candidates": 5},
        {"linear_forgetting": 2, "prior_weight": 0.5},
        {"gamma": 3.0},
        {"constant_liar_type": "best"},
        {"constant_liar_type": "worst"},
        {"constant_liar_type": "mean"},
        {"constant_liar_type": None},
    ],
)
def test_the_arguments_of_nni_change_what_is_suggested_after_the_start(tpe_args: dict[str, Any]) -> None:
    def trials(class_args: dict[str, Any]) -> list[dict[str, Any]]:
        return run(create_tuner("TPE", FLAT, class_args, seed=0), 30, at_once=4)

    default, changed = trials({}), trials({"tpe_args": tpe_args})
    assert default[:3] == changed[:3]
    assert default != changed


@pytest.mark.parametrize("liar", ["best", None])
def test_the_model_can_start_without_any_trial(liar: str | None) -> None:
    tuner = create_tuner("TPE", NESTED, {"tpe_args": {"n_startup_jobs": 0, "constant_liar_type": liar}}, seed=0)
    for parameters in run(tuner, 10, at_once=3):
        assert_legal(NESTED, parameters)


@pytest.mark.parametrize("space", [FLAT, NESTED], ids=["flat", "nested"])
def test_the_example_of_nni_with_a_prior_weight_of_zero_works(space: Space) -> None:
    tpe_args = {"constant_liar_type": "mean", "n_startup_jobs": 10, "n_ei_candidates": 20}
    tpe_args |= {"linear_forgetting": 100, "prior_weight": 0, "gamma": 0.5}
    tuner = create_tuner("TPE", space, {"tpe_args": tpe_args}, seed=0)
    for parameters in run(tuner, 60, at_once=3):
        assert_legal(space, parameters)
