"""What the end of a trial's process means."""

from __future__ import annotations

import math
from typing import Any

import pytest

from ray_remote_nni.experiment.outcome import Outcome, judge
from ray_remote_nni.trial.spec import Ended, Reported


def outcome(exit_code: int, *finals: Any, reason: str | None = None, error: str | None = None) -> Outcome:
    metrics = [Reported(0, "PERIODICAL", 0.1, 1.0), *(Reported(0, "FINAL", final, 2.0) for final in finals)]
    return judge(Ended(exit_code, 3.0, reason, error), metrics)


def test_a_final_result_and_exit_code_0_is_a_success_with_that_value() -> None:
    assert outcome(0, 0.9) == Outcome("SUCCEEDED", 0.9, 0.9, None, None)


def test_the_final_metric_is_kept_whole_and_its_default_is_the_value() -> None:
    made = outcome(0, {"default": 0.9, "loss": 0.2})
    assert (made.value, made.metric) == (0.9, {"default": 0.9, "loss": 0.2})


def test_exit_code_0_without_a_final_result_is_a_success_that_the_user_is_warned_of() -> None:
    made = outcome(0)
    assert (made.status, made.value, made.metric) == ("SUCCEEDED", None, None)
    assert "without a final result" in str(made.warning)


def test_an_intermediate_result_is_no_final_one() -> None:
    assert judge(Ended(0, 3.0, None, None), [Reported(0, "PERIODICAL", 0.5, 1.0)]).value is None


def test_of_two_final_results_the_first_counts_and_the_user_is_warned() -> None:
    made = outcome(0, 0.9, 0.1)
    assert made.value == 0.9
    assert "more than one final result" in str(made.warning)


@pytest.mark.parametrize("final", ["0.9", None, [0.9], {"accuracy": 0.9}, True])
def test_a_final_result_that_is_no_number_is_kept_without_a_value_and_warned_of(final: Any) -> None:
    made = outcome(0, final)
    assert (made.status, made.value, made.metric) == ("SUCCEEDED", None, final)
    assert repr(final)[:50] in str(made.warning)


def test_a_long_final_result_is_shortened_in_the_warning() -> None:
    made = outcome(0, "x" * 10_000)
    assert len(str(made.warning)) < 200


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_value_that_is_not_finite_is_a_success_as_in_nni(value: float) -> None:
    made = outcome(0, value)
    assert made.status == "SUCCEEDED"
    assert repr(made.value) == repr(value)


@pytest.mark.parametrize("exit_code", [1, 127, 137])
def test_any_other_exit_code_is_a_failure_whatever_was_reported(exit_code: int) -> None:
    made = outcome(exit_code, 0.9)
    assert (made.status, made.value, made.metric) == ("FAILED", None, None)


def test_a_failure_is_told_by_the_end_of_standard_error_or_else_by_its_exit_code() -> None:
    assert outcome(1, error="ValueError: no").error == "ValueError: no"
    assert outcome(1, error="").error == "exit code 1"


@pytest.mark.parametrize("exit_code", [0, 143])
def test_a_trial_that_took_too_long_is_early_stopped_however_it_ended(exit_code: int) -> None:
    made = outcome(exit_code, 0.9, reason="timeout")
    assert (made.status, made.value) == ("EARLY_STOPPED", None)
    assert "maxTrialDuration" in str(made.error)
