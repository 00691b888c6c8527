"""What people are told when trials end."""

from __future__ import annotations

from collections.abc import Sequence

from ray_remote_nni.experiment.end_notices import EndNotices
from ray_remote_nni.experiment.outcome import Outcome
from ray_remote_nni.records.model import NoticeLevel, TrialRecord, TrialStatus
from ray_remote_nni.trial.spec import Started, TrialSpec
from ray_remote_nni.tuner.needs import needs_of

TRACEBACK = 'Traceback (most recent call last):\n  File "train.py", line 3\nValueError: batch {} is too large'


def failure(error: str) -> Outcome:
    return Outcome("FAILED", None, None, error, None)


def trial(status: TrialStatus, error: str | None = None) -> TrialRecord:
    nothing = dict.fromkeys(
        ("value", "metric", "start_time", "end_time", "exit_code", "machine", "gpu_indices", "tuner_order"), None
    )
    return TrialRecord("a", 0, status, {}, 1, create_time=0.0, error=error, **nothing)  # type: ignore[arg-type]


def end_notices(trials: Sequence[TrialRecord]) -> EndNotices:
    return EndNotices("exp12345", trials, needs_of("TPE"))


def of(notices: EndNotices, trial_id: str, exit_code: int, outcome: Outcome) -> list[tuple[NoticeLevel, str]]:
    ended = TrialSpec("exp12345", trial_id, 0, 1, {}, "python3 t.py", "0", None, None)
    return notices.of(ended, Started("host", (), 0.0), exit_code, outcome)


def test_a_failure_is_told_with_its_last_words_and_others_like_it_are_not() -> None:
    notices = end_notices([])
    error = TRACEBACK.format(64)
    assert of(notices, "abcde", 1, failure(error)) == [("error", f"trial abcde failed with exit code 1:\n{error}")]
    assert of(notices, "fghij", 1, failure(TRACEBACK.format(128))) == []
    assert of(notices, "klmno", 1, failure("MemoryError")) != []


def test_a_failure_without_words_says_so() -> None:
    ((_, text),) = of(end_notices([]), "abcde", 137, failure("exit code 137"))
    assert text == "trial abcde failed with exit code 137; nothing is in its stderr"


def test_ten_failures_without_a_success_come_with_the_way_out() -> None:
    notices = end_notices([])
    told = [of(notices, f"trial{number}", 1, failure("no module named nni")) for number in range(12)]
    assert [len(each) for each in told] == [1, *[0] * 8, 1, 0, 0]
    ((level, text),) = told[9]
    assert level == "warning"
    assert "ray-nni logs trial9" in text
    assert "ray-nni stop exp12345" in text


def test_one_success_is_enough_for_hope() -> None:
    notices = end_notices([])
    assert of(notices, "abcde", 0, Outcome("SUCCEEDED", 1.0, 1.0, None, None)) == []
    assert sum(len(of(notices, "fghij", 1, failure("no"))) for _ in range(20)) == 1


def test_what_was_told_before_a_resume_is_not_told_again() -> None:
    notices = end_notices([trial("FAILED", TRACEBACK.format(1)), trial("SUCCEEDED"), trial("RUNNING")])
    assert of(notices, "abcde", 1, failure(TRACEBACK.format(2))) == []


def test_more_than_ten_kinds_are_not_told() -> None:
    notices = end_notices([trial("SUCCEEDED")])
    told = [of(notices, "abcde", 1, failure(f"{'x' * number}Error")) for number in range(15)]
    assert sum(map(len, told)) == 10


def test_a_success_with_a_flaw_is_warned_of() -> None:
    outcome = Outcome("SUCCEEDED", None, None, None, "it ended without a final result")
    assert of(end_notices([]), "abcde", 0, outcome) == [("warning", "it ended without a final result")]
