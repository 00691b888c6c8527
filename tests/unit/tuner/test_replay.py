"""A tuner that is made again from the records."""

from __future__ import annotations

from collections import deque
from typing import Any

from ray_remote_nni.tuner import create_tuner
from ray_remote_nni.tuner.replay import AskedTrial, End, learn, replay

SPACE = {"x": {"_type": "uniform", "_value": [0, 1]}, "y": {"_type": "choice", "_value": [1, 2, 3]}}


def evolution() -> Any:
    return create_tuner("Evolution", SPACE, {"population_size": 5}, seed=1)


def test_each_end_is_learnt_before_the_trials_that_were_suggested_after_it() -> None:
    tuner = evolution()
    asked: list[AskedTrial] = []
    ends: list[End] = []
    running: deque[str] = deque()
    for number in range(40):
        if len(running) == 4:
            running.rotate(number)  # they end in another order than they began
            ended = running.popleft()
            ends.append((ended, None if number % 7 == 3 else float(int(ended) * 37 % 97)))
            learn(tuner, ends[-1:])
        trial = str(number)
        asked.append((trial, tuner.ask(trial), len(ends)))
        running.append(trial)

    again = evolution()
    replay(again, asked, ends)

    assert [again.ask("next"), again.fail("next"), again.ask("last")] == [
        tuner.ask("next"),
        tuner.fail("next"),
        tuner.ask("last"),
    ]
