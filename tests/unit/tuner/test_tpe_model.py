from __future__ import annotations

import math
import time
from typing import Any

import numpy as np
import pytest
from scipy.stats import norm, truncnorm
from spaces import FLAT, NESTED, SMALL, choice, uniform
from threadpoolctl import threadpool_info, threadpool_limits

from ray_remote_nni.tuner import create_tuner
from ray_remote_nni.tuner.space import Numbers, SearchSpace, parse_search_space
from ray_remote_nni.tuner.strategy import StrategyTuner
from ray_remote_nni.tuner.tpe.coordinates import Coordinates, Points
from ray_remote_nni.tuner.tpe.graph import HyperoptGraph
from ray_remote_nni.tuner.tpe.history import History
from ray_remote_nni.tuner.tpe.mixture import Mixture
from ray_remote_nni.tuner.tpe.parzen import bandwidths
from ray_remote_nni.tuner.tpe.settings import TpeSettings
from ray_remote_nni.tuner.tpe.strategy import Tpe


def draws(space: SearchSpace, count: int, seed: int = 0) -> np.ndarray:
    graph = HyperoptGraph(space)
    rng = np.random.default_rng(seed)
    return np.array([space.settle(graph.draw(rng))[1] for _ in range(count)]).reshape(count, len(space.parameters))


def mixture(space: SearchSpace, count: int, scale: float = 0.5) -> tuple[Mixture, Coordinates]:
    coordinates = Coordinates(space)
    points = coordinates.points(draws(space, count))
    return Mixture.around(coordinates, points, np.arange(count + 1) + 1.0, scale), coordinates


@pytest.mark.parametrize("raw", [FLAT, NESTED, SMALL], ids=["flat", "nested", "small"])
def test_the_coordinates_of_a_configuration_lead_back_to_it(raw: dict[str, Any]) -> None:
    space = parse_search_space(raw)
    coordinates = Coordinates(space)
    rows = draws(space, 30)
    points = coordinates.points(rows)
    for row in range(30):
        back: Numbers = coordinates.numbers(points, row)
        expected = space.decode(rows[row])
        found = space.decode(back)
        assert flat_values(found) == pytest.approx(flat_values(expected))


def flat_values(parameters: dict[str, Any]) -> list[Any]:
    values = []
    for value in parameters.values():
        values += flat_values(value) if isinstance(value, dict) else [value]
    return [value if isinstance(value, float) else repr(value) for value in values]


def test_the_prior_of_every_numeric_parameter_has_mean_0_and_width_1() -> None:
    coordinates = Coordinates(parse_search_space({"u": uniform(2, 6), "n": {"_type": "normal", "_value": [5, 2]}}))
    points = coordinates.points(np.array([[2.0, 3.0], [4.0, 5.0], [6.0, 7.0]]))
    np.testing.assert_allclose(points.numeric, [[-0.5, -1], [0, 0], [0.5, 1]])


def test_the_narrowest_kernel_is_the_same_share_of_a_uniform_prior_and_of_a_normal_one_with_its_spread() -> None:
    space = parse_search_space({"u": uniform(0, math.sqrt(12)), "n": {"_type": "normal", "_value": [0, 1]}})
    coordinates = Coordinates(space)
    close_together = coordinates.points(np.full((48, 2), 0.3) + np.linspace(0, 1e-3, 48)[:, None])
    narrowest = bandwidths(close_together.numeric, coordinates.extent).min(axis=0) * coordinates.width
    np.testing.assert_allclose(narrowest, [math.sqrt(12) / 50] * 2)


def test_the_log_density_of_a_mixture_is_the_sum_over_its_components() -> None:
    space = parse_search_space({"u": uniform(0, 1), "c": choice(1, 2, 3), "n": {"_type": "normal", "_value": [0, 1]}})
    density, coordinates = mixture(space, 4)
    points = coordinates.points(draws(space, 6, seed=1))
    expected = []
    for numeric, category in zip(points.numeric, points.categories[:, 0], strict=True):
        total = 0.0
        for component, log_weight in enumerate(density.log_weights):
            mean, width, own = density.means[component], density.widths[component], density.categories[component, 0]
            bounded = truncnorm((-0.5 - mean[0]) / width[0], (0.5 - mean[0]) / width[0], mean[0], width[0])
            chance = 1 / 3 if own < 0 else ((own == category) + density.extra) / (1 + 3 * density.extra)
            total += math.exp(log_weight) * bounded.pdf(numeric[0]) * norm(mean[1], width[1]).pdf(numeric[1]) * chance
        expected.append(math.log(total))
    np.testing.assert_allclose(density.log_density(points), expected)


def test_what_a_mixture_draws_has_the_density_that_it_says() -> None:
    space = parse_search_space({"u": uniform(0, 1), "c": choice(1, 2, 3)})
    density, _ = mixture(space, 5)
    points = density.sample(20000, np.random.default_rng(0))
    cell = (points.numeric[:, 0] + 0.5) * 10 // 1
    edges = np.linspace(-0.5, 0.5, 2001)
    middles = (edges[:-1] + edges[1:]) / 2
    for category in range(3):
        grid = Points(middles[:, None], np.full((2000, 1), category))
        mass = np.exp(density.log_density(grid)).reshape(10, 200).mean(axis=1) / 10
        found = [np.mean((cell == index) & (points.categories[:, 0] == category)) for index in range(10)]
        np.testing.assert_allclose(found, mass, atol=0.012)


def test_an_inactive_parameter_of_a_candidate_counts_for_nothing() -> None:
    space = parse_search_space({"k": choice({"_name": "a"}, {"_name": "b", "x": uniform(0, 1)})})
    density, coordinates = mixture(space, 6)
    without = coordinates.points(np.array([[0.0, math.nan]]))
    alone = Mixture(
        coordinates,
        density.log_weights,
        np.zeros((7, 1)),
        np.ones((7, 1)),
        np.ones((7, 1)),
        density.categories,
        density.extra,
    )
    np.testing.assert_allclose(density.log_density(without), alone.log_density(without))


def test_candidates_of_a_nested_space_have_the_parameters_of_their_own_branch_only() -> None:
    space = parse_search_space(NESTED)
    density, coordinates = mixture(space, 10)
    points = density.sample(200, np.random.default_rng(0))
    for row in range(200):
        numbers = coordinates.numbers(points, row)
        _, settled = space.settle(numbers)
        assert np.array_equal(np.isnan(settled), np.isnan(numbers))


def test_the_history_splits_the_best_from_the_latest_others() -> None:
    history = History(1, best_kept=3)
    for loss in (5.0, 1.0, 4.0, None, 2.0, math.inf):
        history.end(history.add([0.0]), loss)
    history.add([0.0])  # still running
    split = history.split(2, 300)
    assert split.good.tolist() == [1, 4]
    assert split.bad.tolist() == [0, 2, 3, 5, 6]
    assert history.split(2, 3).bad.tolist() == [3, 5, 6]
    assert history.valued == 5


def test_lies_place_the_running_trials_among_the_others() -> None:
    history = History(1, best_kept=25)
    for loss in (5.0, 1.0, 4.0):
        history.end(history.add([0.0]), loss)
    history.add([0.0])
    assert (history.best_loss, history.worst_loss, history.mean_loss, history.running) == (1.0, 5.0, 10 / 3, 1)
    assert history.split_with_lies(2, 300, lie=1.0).good.tolist() == [1, 3]
    assert history.split_with_lies(2, 300, lie=5.0).bad.tolist() == [0, 3]
    assert history.split_with_lies(2, 300, lie=None).bad.tolist() == [0]


def test_the_history_grows_and_keeps_its_rows() -> None:
    history = History(2, best_kept=25)
    for number in range(1000):
        history.end(history.add([number, -number]), float(-number))
    np.testing.assert_array_equal(history.numbers[:, 0], np.arange(1000))
    assert history.split(3, 10).good.tolist() == [999, 998, 997]
    assert history.split(3, 10).bad.tolist() == list(range(987, 997))


def test_an_ask_looks_at_no_more_trials_however_many_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    space = parse_search_space(FLAT)
    looked_at = []
    points = Coordinates.points

    def counted(self: Coordinates, numbers: np.ndarray) -> Points:
        looked_at.append(len(numbers))
        return points(self, numbers)

    monkeypatch.setattr(Coordinates, "points", counted)
    tuner = StrategyTuner(Tpe(space, TpeSettings(seed=0), avoid_duplicates=True), seed=0, maximize=False)
    counts = []
    for number, row in enumerate(draws(space, 1200)):
        tuner.restore(str(number), space.decode(list(row)))
        tuner.tell(str(number), float(number))
        if number in (600, 1199):
            looked_at.clear()
            tuner.ask(f"asked at {number}")
            counts.append(sum(looked_at))
    assert counts == [325, 325]


def test_an_ask_wakes_no_threads_of_blas_and_leaves_others_theirs() -> None:
    space = {f"x{index}": uniform(0, 1) for index in range(20)}
    tuner = create_tuner("TPE", space, seed=0)
    rng = np.random.default_rng(0)
    for number in range(300):
        tuner.restore(str(number), dict(zip(space, rng.random(20).tolist(), strict=True)))
        tuner.tell(str(number), rng.random())
    shares = []
    with threadpool_limits(2):
        before = threadpool_info()
        for ask in range(20):  # threads that an earlier test woke are awake for some more milliseconds
            of_this, of_all = time.thread_time(), time.process_time()
            for more in range(10):
                tuner.ask(f"asked {ask} {more}")
            shares.append((time.thread_time() - of_this) / (time.process_time() - of_all))
        assert threadpool_info() == before
    assert np.median(shares) > 0.9
