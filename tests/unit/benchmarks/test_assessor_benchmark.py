from __future__ import annotations

from statistics import fmean

from benchmarks.assessor.__main__ import replay
from benchmarks.assessor.curves import digits, power_laws


def test_medianstop_saves_two_fifths_of_the_epochs_and_keeps_the_best() -> None:
    for workers in (1, 8):
        results = [replay(power_laws(seed), "Medianstop", {"start_step": 10}, workers) for seed in range(5)]
        assert fmean(saved for saved, _ in results) >= 0.4
        assert fmean(lost for _, lost in results) <= 0.01


def test_real_learning_curves_are_computed_by_training() -> None:
    curves = digits(0, trials=3, epochs=2)

    assert [len(curve) for curve in curves] == [2, 2, 2]
    assert all(0 <= value <= 1 for curve in curves for value in curve)
