"""The expected improvement among TPE's candidates: a Gaussian process's, and what it knows of the trials."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from scipy.stats import norm
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import Matern
from spaces import choice, uniform

from ray_remote_nni.tuner.space import parse_search_space
from ray_remote_nni.tuner.tpe.coordinates import Coordinates, Points
from ray_remote_nni.tuner.tpe.expectation import Expectation, log_expected_improvement, normal_scores
from ray_remote_nni.tuner.tpe.history import History
from ray_remote_nni.tuner.tpe.model import Model
from ray_remote_nni.tuner.tpe.settings import TpeSettings

PLANE: dict[str, Any] = {"x": uniform(0, 1), "y": uniform(-2, 2)}


def points(coordinates: Coordinates, count: int, seed: int) -> Points:
    rng = np.random.default_rng(seed)
    return coordinates.points(rng.uniform([0, -2], [1, 2], (count, 2)))


def test_it_is_the_expected_improvement_of_a_gaussian_process_of_the_losses_normal_scores() -> None:
    coordinates = Coordinates(parse_search_space(PLANE))
    known, candidates = points(coordinates, 12, seed=0), points(coordinates, 5, seed=1)
    losses = np.random.default_rng(2).exponential(size=12)
    process = GaussianProcessRegressor(Matern(0.3 * math.sqrt(2), nu=2.5), alpha=0.01, optimizer=None)
    process.fit(known.numeric, normal_scores(losses))
    means, deviations = process.predict(candidates.numeric, return_std=True)
    gain = process.predict(known.numeric).min() - means
    expected = gain * norm.cdf(gain / deviations) + deviations * norm.pdf(gain / deviations)
    found = Expectation(coordinates, known, losses, 0.3).log_improvement(candidates)
    np.testing.assert_allclose(found, np.log(expected), atol=0.01)


def test_a_value_of_a_choice_is_as_far_from_another_as_numbers_half_their_range_apart() -> None:
    coordinates = Coordinates(parse_search_space({"x": uniform(0, 1), "c": choice("a", "b", "c")}))
    known = coordinates.points(np.array([[0.2, 0.0], [0.3, 0.0]]))
    other_value, other_number = (coordinates.points(np.array([row])) for row in ([0.2, 1.0], [0.7, 0.0]))
    of_the_first = Expectation(coordinates, Points(known.numeric[:1], known.categories[:1]), np.ones(1), 0.5)
    assert of_the_first.log_improvement(other_value) == pytest.approx(of_the_first.log_improvement(other_number))


def test_a_running_trial_takes_away_the_uncertainty_around_it_and_nothing_else() -> None:
    coordinates = Coordinates(parse_search_space(PLANE))
    known = coordinates.points(np.array([[0.1, -1.5], [0.2, -1.0], [0.9, 1.5]]))
    losses = np.array([3.0, 1.0, 2.0])
    near, far = coordinates.points(np.array([[0.2, -0.5]])), coordinates.points(np.array([[0.95, 1.9]]))
    running = coordinates.points(np.array([[0.1, -1.5], [0.2, -1.0], [0.9, 1.5], [0.21, -0.52]]))
    alone, beside = (Expectation(coordinates, trials, losses, 0.1) for trials in (known, running))
    assert beside.log_improvement(near) < alone.log_improvement(near) - 1
    assert beside.log_improvement(far) == pytest.approx(alone.log_improvement(far), abs=0.01)


def test_trials_far_out_of_a_normal_prior_are_told_apart_by_their_other_numbers() -> None:
    coordinates = Coordinates(parse_search_space({"x": {"_type": "normal", "_value": [0, 1e-3]}, "y": uniform(0, 1)}))
    rows = np.stack([np.full(40, 9.0), np.linspace(0, 1, 40)], axis=1)
    expectation = Expectation(coordinates, coordinates.points(rows), np.abs(rows[:, 1] - 0.75), 0.2)
    good, bad = (coordinates.points(np.array([[9.0, y]])) for y in (0.75, 0.25))
    assert expectation.log_improvement(good) > expectation.log_improvement(bad) + 1


def test_normal_scores_are_those_of_the_ranks() -> None:
    scores = normal_scores(np.array([7.0, math.inf, 7.0, -1e9, math.inf, 8.0]))
    np.testing.assert_allclose(scores, norm.ppf(np.array([2, 5, 2, 0.5, 5, 3.5]) / 6))


def test_the_logarithm_of_the_improvement_is_finite_where_the_improvement_is_not_above_0() -> None:
    z = np.array([-3.0, 0.0, 2.0, 9.0])
    np.testing.assert_allclose(log_expected_improvement(z), np.log(z * norm.cdf(z) + norm.pdf(z)), rtol=1e-9)
    far = log_expected_improvement(np.array([-1e4, -1e3, -40.0]))
    assert np.isfinite(far).all()
    assert (np.diff(far) > 0).all()


def history_of(losses: np.ndarray) -> History:
    history = History(2, best_kept=25)
    for row, loss in zip(np.random.default_rng(0).uniform([0, -2], [1, 2], (len(losses), 2)), losses, strict=True):
        history.end(history.add(list(row)), float(loss))
    return history


def first_suggestions(settings: TpeSettings, losses: np.ndarray) -> list[Any]:
    model = Model(parse_search_space(PLANE), settings)
    return [next(model.suggestions(history_of(losses), np.random.default_rng(seed), 1)) for seed in range(30)]


def test_how_bad_the_bad_trials_are_counts_unless_the_settings_say_what_running_trials_count_as() -> None:
    losses = np.arange(40.0)
    shuffled = np.concatenate([losses[:5], np.random.default_rng(1).permutation(losses[5:])])
    ours, as_nni = TpeSettings(seed=0), TpeSettings(seed=0, liar="worst")
    assert first_suggestions(ours, losses) != first_suggestions(ours, shuffled)
    assert first_suggestions(as_nni, losses) == first_suggestions(as_nni, shuffled)


def test_the_evidence_is_the_good_trials_and_the_latest_others_running_ones_apart() -> None:
    history = History(1, best_kept=2)
    for loss in (1.0, 4.0, None, 2.0, 3.0):
        history.end(history.add([0.0]), loss)
    history.add([0.0])
    history.add([0.0])
    evidence = history.evidence(history.split(2, 300), 4, 1)
    assert evidence.ended.tolist() == [0, 3, 2, 4]
    assert evidence.losses.tolist() == [1.0, 2.0, math.inf, 3.0]
    assert evidence.running.tolist() == [6]
    assert history.evidence(history.split(2, 300), 2, 9).ended.tolist() == [0, 3]
    assert history.evidence(history.split(2, 300), 1, 9).ended.tolist() == [0]


def test_without_any_good_result_more_running_trials_than_are_looked_at_are_no_error() -> None:
    history = history_of(np.full(10, math.inf))
    for _ in range(301):
        history.add([0.5, 0.0])
    model = Model(parse_search_space(PLANE), TpeSettings(seed=0))
    for seed in range(10):
        x, y = next(model.suggestions(history, np.random.default_rng(seed), 1))
        assert (0 <= x <= 1, -2 <= y <= 2) == (True, True)
