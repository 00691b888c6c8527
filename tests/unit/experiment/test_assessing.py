from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from ray_remote_nni.assessor import create_assessor
from ray_remote_nni.experiment.assessing import Assessing, BuiltIn
from ray_remote_nni.trial.spec import Reported


class Witness:
    """A judge that notes what it is asked; a trial whose latest result is below 0 is bad."""

    name = "witness"

    def __init__(self, latest_only: bool = False) -> None:
        self.latest_only = latest_only
        self.seen: list[Any] = []

    async def assess(self, trial_id: str, history: list[Any]) -> bool:
        self.seen.append((trial_id, list(history)))
        return not history[-1] < 0

    async def end(self, trial_id: str, history: list[Any], succeeded: bool) -> None:
        self.seen.append((trial_id, list(history), succeeded))


def reports(*values: Any, start: int = 0) -> list[Reported]:
    return [Reported(number, "PERIODICAL", value, 0.0) for number, value in enumerate(values, start)]


def settle(assessing: Assessing) -> None:
    asyncio.run(assessing.settle())


def make(judge: Any) -> tuple[Assessing, list[str]]:
    stopped: list[str] = []
    return Assessing(judge, lambda trial_id, why: stopped.append(trial_id)), stopped


def test_each_result_is_judged_once_with_all_before_it() -> None:
    judge = Witness()
    assessing, stopped = make(judge)
    assessing.take("a", reports(1))
    settle(assessing)
    assessing.take("a", reports(1, 2, 3))
    settle(assessing)

    assert judge.seen == [("a", [1]), ("a", [1, 2]), ("a", [1, 2, 3])]
    assert stopped == []


def test_a_slow_judge_is_asked_about_the_latest_only() -> None:
    judge = Witness(latest_only=True)
    assessing, _ = make(judge)
    assessing.take("a", reports(1, 2))
    assessing.take("a", reports(1, 2, 3))
    settle(assessing)

    assert judge.seen == [("a", [1, 2, 3])]


def test_a_bad_trial_is_stopped_once_and_not_judged_again() -> None:
    judge = Witness()
    assessing, stopped = make(judge)
    assessing.take("a", reports(1, -1, 5))
    settle(assessing)
    assessing.take("a", reports(1, -1, 5, -2))
    settle(assessing)
    assessing.ended("a", reports(1, -1, 5, -2), succeeded=False)
    settle(assessing)

    assert stopped == ["a"]
    assert judge.seen == [("a", [1]), ("a", [1, -1]), ("a", [1, -1, 5, -2], False)]


def test_results_are_put_into_the_order_of_their_numbers() -> None:
    judge = Witness()
    assessing, _ = make(judge)
    late = reports(2, start=1)
    assessing.take("a", late)
    settle(assessing)
    assert judge.seen == []
    assessing.take("a", [*late, *reports(1), *reports(9), Reported(0, "FINAL", 7, 0.0)])
    settle(assessing)

    assert judge.seen == [("a", [1]), ("a", [1, 2])]


def test_a_short_trial_is_told_of_at_its_end() -> None:
    judge = Witness()
    assessing, stopped = make(judge)
    assessing.ended("a", reports(1, 2), succeeded=True)
    assessing.ended("silent", [], succeeded=True)
    settle(assessing)

    assert judge.seen == [("a", [1]), ("a", [1, 2]), ("a", [1, 2], True)]
    assert stopped == []


def test_a_trial_that_runs_again_begins_anew() -> None:
    judge = Witness()
    assessing, _ = make(judge)
    assessing.take("a", reports(1, 2))
    settle(assessing)
    assessing.forget("a")
    assessing.take("a", reports(5))
    settle(assessing)

    assert judge.seen[-1] == ("a", [5])


def test_our_assessors_judge_the_default_metric_and_leave_alone_what_has_none() -> None:
    assessing, stopped = make(BuiltIn("Medianstop", create_assessor("Medianstop")))
    assessing.ended("first", reports({"default": 5, "loss": 1}, {"default": 5}), succeeded=True)
    assessing.take("bad", reports({"default": 1}))
    assessing.take("good", reports(6))
    assessing.take("odd", reports("?", 1))
    settle(assessing)

    assert stopped == ["bad"]


def test_a_slow_one_of_ours_is_asked_in_a_thread_and_answers_all_the_same() -> None:
    def accuracies(end: float, epochs: int) -> Sequence[float]:
        return [end - (end - 0.1) / step for step in range(1, epochs + 1)]

    assessing, stopped = make(BuiltIn("Curvefitting", create_assessor("Curvefitting", {"epoch_num": 20})))
    assessing.ended("first", reports(*accuracies(0.9, 20)), succeeded=True)
    assessing.take("bad", reports(*accuracies(0.4, 8)))
    settle(assessing)

    assert stopped == ["bad"]
