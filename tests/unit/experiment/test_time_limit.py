from __future__ import annotations

import pytest

from ray_remote_nni.experiment.time_limit import TimeLimit, worked_s
from ray_remote_nni.records.model import TrialRecord


def trial(created: float, ended: float | None) -> TrialRecord:
    nothing = dict.fromkeys(
        ("value", "metric", "start_time", "exit_code", "error", "machine", "gpu_indices", "tuner_order"), None
    )
    status = "RUNNING" if ended is None else "SUCCEEDED"
    return TrialRecord("a", 0, status, {}, 1, create_time=created, end_time=ended, **nothing)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("spans", "worked"),
    [
        ([], 0.0),
        ([(0.0, 10.0), (5.0, 12.0)], 12.0),
        ([(0.0, 10.0), (2.0, 4.0)], 10.0),
        ([(0.0, 10.0), (3600.0, 3610.0), (3605.0, None)], 20.0),
    ],
)
def test_time_counts_while_trials_ran_and_not_while_the_experiment_was_interrupted(
    spans: list[tuple[float, float | None]], worked: float
) -> None:
    assert worked_s([trial(*span) for span in spans]) == worked


def test_a_resumed_experiment_has_what_is_left_of_its_time() -> None:
    trials = [trial(0.0, 50.0)]
    assert TimeLimit(50.0, trials).reached
    assert not TimeLimit(60.0, trials).reached
    assert not TimeLimit(None, trials).reached
