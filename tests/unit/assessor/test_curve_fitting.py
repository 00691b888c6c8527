from __future__ import annotations

import math

import numpy as np
import pytest

from ray_remote_nni.assessor import create_assessor
from ray_remote_nni.assessor.curves import predict
from ray_remote_nni.errors import UsageError


def curve(end: float, epochs: int, noise: float = 0.0) -> list[float]:
    """An accuracy that grows to `end`, as a power law."""
    rng = np.random.default_rng(0)
    steps = np.arange(1.0, epochs + 1)
    return list(end - (end - 0.1) * steps**-1.0 + rng.normal(0, noise, epochs))


@pytest.mark.parametrize("scale", [1.0, 100.0])
@pytest.mark.parametrize("end", [0.5, 0.9])
def test_the_end_of_a_curve_is_foreseen_from_its_beginning(end: float, scale: float) -> None:
    history = [scale * value for value in curve(end, 10, noise=0.003)]

    assert predict(history, 40) == pytest.approx(scale * curve(end, 40)[-1], rel=0.06)


@pytest.mark.parametrize("history", [[], [0.5], [0.5, math.nan, 0.6], [0.5, math.inf]])
def test_of_too_little_nothing_is_foreseen(history: list[float]) -> None:
    assert predict(history, 20) is None


def test_a_trial_is_stopped_when_its_end_will_be_clearly_below_the_best() -> None:
    assessor = create_assessor("Curvefitting", {"epoch_num": 20, "start_step": 6})
    bad, good = curve(0.5, 8), curve(0.88, 8)
    assert assessor.assess("first", bad), "there is nothing to compare with yet"
    assessor.end("first", curve(0.9, 20), succeeded=True)

    assert assessor.assess("bad", bad[:5]), "it has not reached start_step"
    assert not assessor.assess("bad", bad)
    assert assessor.assess("good", good)


def test_between_two_verdicts_there_is_a_gap() -> None:
    assessor = create_assessor("Curvefitting", {"epoch_num": 20, "start_step": 4, "gap": 3})
    bad = curve(0.3, 10)
    assessor.end("first", curve(0.9, 20), succeeded=True)

    assert [assessor.assess("bad", bad[:step]) for step in range(4, 9)] == [False, True, True, False, True]


def test_a_trial_that_failed_is_no_measure() -> None:
    assessor = create_assessor("Curvefitting", {"start_step": 2})
    assessor.end("failed", [0.99], succeeded=False)

    assert assessor.assess("bad", curve(0.3, 8))


@pytest.mark.parametrize("arguments", [{"optimize_mode": "minimize"}, {"gap": 0}, {"epochs": 20}])
def test_arguments_that_make_no_sense_are_refused(arguments: dict[str, object]) -> None:
    with pytest.raises(UsageError, match="Curvefitting"):
        create_assessor("Curvefitting", arguments)
