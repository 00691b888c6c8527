"""What the end of a trial's process means: its state, its value, what the user is told. Pure; the rules are NNI's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ray_remote_nni.records.model import TrialStatus
from ray_remote_nni.trial.metrics import default_value
from ray_remote_nni.trial.spec import Ended, Reported

_NO_FINAL_RESULT = "it ended without a final result (nni.report_final_result), and so it has no value"


@dataclass(frozen=True)
class Outcome:
    """The end of a trial; `value` is None where the tuner learns nothing, `warning` is for the user."""

    status: TrialStatus
    value: float | None
    metric: Any
    error: str | None
    warning: str | None


@dataclass(frozen=True)
class Ending:
    """What becomes of a trial that we end ourselves; `outcome` is its attempt's."""

    status: TrialStatus
    outcome: str
    error: str


KILLED = Ending("USER_CANCELED", "killed", "killed by the user")


def judge(ended: Ended, metrics: Sequence[Reported]) -> Outcome:
    """Judge a trial by how its process ended and what it reported.

    The first final result counts. Exit code 0 without one is SUCCEEDED without a value; a time-out is EARLY_STOPPED;
    any other exit code is FAILED, whatever was reported before.
    """
    if ended.reason == "timeout":
        return Outcome("EARLY_STOPPED", None, None, "it ran longer than maxTrialDuration", None)
    if ended.exit_code != 0:
        error = ended.error or f"exit code {ended.exit_code}"
        return Outcome("FAILED", None, None, error, None)
    finals = [metric.value for metric in metrics if metric.kind == "FINAL"]
    if not finals:
        return Outcome("SUCCEEDED", None, None, None, _NO_FINAL_RESULT)
    value = default_value(finals[0])
    warning = None
    if value is None:
        warning = f"its final result {_shortened(finals[0])} is neither a number nor a dict with a number as `default`"
    elif len(finals) > 1:
        warning = "it reported more than one final result; the first one counts"
    return Outcome("SUCCEEDED", value, finals[0], None, warning)


def _shortened(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
