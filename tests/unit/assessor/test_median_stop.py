from __future__ import annotations

import math
import random
import statistics

import pytest

from ray_remote_nni.assessor import Assessor, create_assessor
from ray_remote_nni.errors import UsageError


def median_stop(**arguments: object) -> Assessor:
    return create_assessor("medianstop", arguments)


def naive_verdict(history: list[float], ended: list[list[float]]) -> bool:
    """The rule as it is written, for metrics to be maximized."""
    step = len(history)
    means = sorted(statistics.fmean(other[:step]) for other in ended if len(other) >= step)
    return not means or max(history) >= means[(len(means) - 1) // 2]


def test_it_stops_what_the_rule_stops() -> None:
    rng = random.Random(0)
    assessor = median_stop()
    ended: list[list[float]] = []
    verdicts = set()
    for trial in range(60):
        history: list[float] = []
        for _ in range(rng.randint(1, 12)):
            history.append(rng.random())
            good = assessor.assess(str(trial), history)
            assert good == naive_verdict(history, ended)
            verdicts.add(good)
        assessor.end(str(trial), history, succeeded=True)
        ended.append(history)
    assert verdicts == {True, False}


def test_minimizing_is_maximizing_the_negative() -> None:
    up, down = median_stop(), median_stop(optimize_mode="minimize")
    for trial, history in enumerate(([1.0, 3.0], [2.0, 0.5], [0.0, 1.0])):
        flipped = [-value for value in history]
        assert up.assess(str(trial), history) == down.assess(str(trial), flipped)
        up.end(str(trial), history, succeeded=True)
        down.end(str(trial), flipped, succeeded=True)


def test_nobody_is_stopped_before_start_step() -> None:
    assessor = median_stop(start_step=3)
    assessor.end("a", [9.0, 9.0, 9.0], succeeded=True)

    assert assessor.assess("b", [1.0])
    assert assessor.assess("b", [1.0, 1.0])
    assert not assessor.assess("b", [1.0, 1.0, 1.0])


def test_only_trials_that_succeeded_and_got_as_far_are_a_measure() -> None:
    assessor = median_stop()
    assessor.end("failed", [9.0, 9.0], succeeded=False)
    assessor.end("short", [9.0], succeeded=True)

    assert assessor.assess("b", [9.0])
    assert assessor.assess("b", [9.0, 1.0])


def test_a_trial_that_runs_again_starts_without_its_earlier_best() -> None:
    assessor = median_stop()
    assessor.end("a", [5.0, 5.0], succeeded=True)
    assert assessor.assess("b", [6.0, 1.0])

    assert not assessor.assess("b", [1.0])


def test_a_result_that_is_no_number_is_neither_best_nor_measure() -> None:
    assessor = median_stop()
    assessor.end("nan", [math.nan, 9.0], succeeded=True)
    assert assessor.assess("b", [1.0])

    assessor.end("a", [5.0], succeeded=True)
    assert not assessor.assess("c", [math.nan])


def test_a_mode_that_does_not_exist_is_refused() -> None:
    with pytest.raises(UsageError, match="optimize_mode"):
        median_stop(optimize_mode="max")


def test_an_unknown_name_is_refused() -> None:
    with pytest.raises(UsageError, match="Medianstop, Curvefitting"):
        create_assessor("Hyperband")
