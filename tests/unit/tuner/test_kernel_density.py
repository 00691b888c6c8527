"""The density of configurations that BOHB compares."""

from __future__ import annotations

import math

import numpy as np
import pytest

from ray_remote_nni.tuner.kernel_density import KernelDensity, impute

LEVELS = np.array([0, 3, 0])


def some_rows(count: int, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return np.column_stack([rng.random(count), rng.integers(3, size=count), rng.random(count)])


def test_the_density_is_the_mean_of_products_of_kernels() -> None:
    rows, point = some_rows(7), np.array([0.3, 1.0, 0.8])
    widths = np.maximum(1.06 * rows.std(axis=0) * 7 ** (-1 / 7), 0.001)
    widths[1] = min(widths[1], 2 / 3)
    total = 0.0
    for row in rows:
        numbers = math.prod(
            math.exp(-(((point[place] - row[place]) / widths[place]) ** 2) / 2)
            / (widths[place] * math.sqrt(2 * math.pi))
            for place in (0, 2)
        )
        total += numbers * (1 - widths[1] if point[1] == row[1] else widths[1] / 2)
    [density] = KernelDensity(rows, LEVELS, 0.001).log_density(point[None])
    assert density == pytest.approx(math.log(total / 7))


def test_points_are_drawn_inside_and_around_the_rows() -> None:
    rows = np.array([[0.0, 2.0, 0.5], [0.01, 2.0, 0.5], [0.0, 2.0, 0.51]])
    points = KernelDensity(rows, LEVELS, 0.02).sample(500, 3.0, np.random.default_rng(0))
    assert ((points[:, [0, 2]] >= 0) & (points[:, [0, 2]] <= 1)).all()
    assert points[:, 0].max() < 0.4
    assert points[:, 0].std() > 0.03  # widened: the bandwidth is 0.02
    assert set(points[:, 1]) <= {0.0, 1.0, 2.0}
    assert np.mean(points[:, 1] == 2) > 0.95


def test_equal_rows_have_the_least_bandwidth() -> None:
    rows = np.repeat([[0.5, 0.0, 0.5]], 5, axis=0)
    points = KernelDensity(rows, LEVELS, 0.001).sample(200, 1.0, np.random.default_rng(0))
    assert np.abs(points[:, 0] - 0.5).max() < 0.01


def test_what_hangs_on_another_choice_is_filled_in_from_a_row_that_has_it() -> None:
    rows = np.array([[0.1, np.nan, 0.3], [0.2, 2.0, np.nan], [0.7, 2.0, np.nan]])
    filled = impute(rows, LEVELS, np.random.default_rng(0))
    assert filled.tolist() == [[0.1, 2.0, 0.3], [0.2, 2.0, 0.3], [0.7, 2.0, 0.3]]


def test_what_no_row_has_is_filled_in_by_chance() -> None:
    filled = impute(np.full((50, 3), np.nan), LEVELS, np.random.default_rng(0))
    assert ((filled >= 0) & (filled <= [1, 2, 1])).all()
    assert set(filled[:, 1]) == {0.0, 1.0, 2.0}
