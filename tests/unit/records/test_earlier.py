"""Results of elsewhere."""

from __future__ import annotations

from ray_remote_nni.records.earlier import new_results
from ray_remote_nni.records.model import EarlierResult


def test_results_that_are_known_and_repeated_ones_are_left_out() -> None:
    has: list[EarlierResult] = [{"parameter": {"lr": 0.1, "net": "a"}, "value": 0.5}]
    same: EarlierResult = {"parameter": {"net": "a", "lr": 0.1}, "value": 0.5}
    other: EarlierResult = {"parameter": {"net": "a", "lr": 0.1}, "value": 0.75}
    assert new_results([same, other, {**other}], has) == [1]
    assert new_results(has, has) == []
