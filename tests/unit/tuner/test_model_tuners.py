"""What the tuners that fit a model have beyond the contract."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from ray_remote_nni.errors import UsageError
from ray_remote_nni.testing.spaces import SPACES
from ray_remote_nni.tuner import Tuner, create_tuner
from ray_remote_nni.tuner.models.cube import Cube
from ray_remote_nni.tuner.models.gaussian_process import GaussianProcess
from ray_remote_nni.tuner.models.metis import outliers
from ray_remote_nni.tuner.models.results import Evidence, Results
from ray_remote_nni.tuner.space import parse_search_space

NAMES = ("GP", "Metis", "SMAC")
#: What makes a suggestion cheap.
FEW: dict[str, dict[str, Any]] = {
    "GP": {"selection_num_warm_up": 100, "selection_num_starting_points": 2},
    "Metis": {"selection_num_starting_points": 50},
    "SMAC": {},
}
PLANE = {"x": {"_type": "uniform", "_value": [0, 1]}, "y": {"_type": "quniform", "_value": [-3, 0, 0.001]}}


def distance(parameters: dict[str, Any]) -> float:
    return float((parameters["x"] - 0.3) ** 2 + (parameters["y"] / 3 + 0.5) ** 2)


def run(tuner: Tuner, trials: int, loss: Callable[[dict[str, Any]], float] = distance) -> list[float]:
    losses = []
    for number in range(trials):
        losses.append(loss(tuner.ask(str(number))))
        tuner.tell(str(number), losses[-1])
    return losses


@pytest.mark.parametrize("name", ["numeric choice", "choice", "randint", "uniform", "quniform", "qloguniform"])
def test_a_point_of_the_cube_is_a_configuration_and_comes_back_as_itself(name: str) -> None:
    space = parse_search_space(SPACES[name])
    cube = Cube(space)
    for point in cube.draw(50, np.random.default_rng(0)):
        _, settled = space.settle(cube.numbers(point))
        assert cube.points([settled])[0] == pytest.approx(point)


def test_a_choice_among_numbers_lies_in_the_order_of_the_numbers() -> None:
    cube = Cube(parse_search_space({"size": {"_type": "choice", "_value": [64, 8, 512]}}))
    assert cube.points([[0.0], [1.0], [2.0]])[:, 0].argsort().tolist() == [1, 0, 2]


def test_a_model_is_fitted_to_the_best_trials_and_to_the_latest_ones() -> None:
    results = Results()
    for number in range(100):
        results.end(results.add([float(number)]), abs(number - 40.0))
    numbers, losses = results.chosen(20)
    assert [row[0] for row in numbers] == [*range(35, 45), *range(90, 100)]
    assert losses.min() == 0


def test_a_failed_trial_counts_like_the_worst_and_losses_far_out_like_the_fence() -> None:
    results = Results()
    for loss in (1.0, 2.0, 3.0, 4.0, 1e9, None, math.inf):
        results.end(results.add([0.0]), loss)
    _, losses = results.chosen(20)
    assert losses[:4].tolist() == [1.0, 2.0, 3.0, 4.0]
    assert losses[4] == losses[5] == losses[6] < 1e9


@pytest.mark.parametrize("name", NAMES)
def test_the_model_comes_closer_to_the_best(name: str) -> None:
    losses = run(create_tuner(name, PLANE, {"optimize_mode": "minimize", **FEW[name]}, seed=0), 24)
    assert np.median(losses[16:]) < 0.3 * np.median(losses[:10])


@pytest.mark.parametrize("name", NAMES)
def test_trials_that_run_at_once_are_not_all_of_the_same_place(name: str) -> None:
    tuner = create_tuner(name, PLANE, {"optimize_mode": "minimize", **FEW[name]}, seed=0)
    run(tuner, 15, lambda parameters: distance(parameters) + 0.1 * math.sin(40 * parameters["x"]))
    asked = [tuner.ask(f"at once {number}") for number in range(6)]
    places = np.array([[parameters["x"], parameters["y"] / 3 + 1] for parameters in asked])
    apart = np.linalg.norm(places[:, None] - places[None], axis=2)[np.triu_indices(6, 1)]
    assert apart.min() > 0
    assert apart.max() > 0.1


@pytest.mark.parametrize("utility", ["ei", "ucb", "poi"])
def test_gp_takes_nnis_utilities(utility: str) -> None:
    tuner = create_tuner(
        "GPTuner", PLANE, {"utility": utility, "optimize_mode": "minimize", "kappa": 1.0, **FEW["GP"]}, seed=0
    )
    assert min(run(tuner, 20)) < 0.01


@pytest.mark.parametrize("arguments", [{"no_candidates": True}, {"exploration_probability": 0}])
def test_metis_can_be_told_to_try_what_is_expected_to_be_the_best(arguments: dict[str, Any]) -> None:
    tuner = create_tuner("MetisTuner", PLANE, {"optimize_mode": "minimize", **arguments, **FEW["Metis"]}, seed=0)
    assert max(run(tuner, 20)[15:]) < 0.01


def test_metis_looks_again_at_what_surprises_it_but_not_for_ever() -> None:
    xs = np.linspace(0, 1, 60)
    losses = np.where(np.arange(60) == 10, -1.0, (xs - 0.7) ** 2)
    for tries, expected in ((1, [xs[10]]), (3, [])):
        points = np.concatenate([xs, [xs[10]] * (tries - 1)])[:, None]
        told = np.concatenate([losses, [-1.0, 1.0][: tries - 1]])
        with threadpool_limits(1):
            known = Evidence(points, told, np.empty((0, 1)))
            process = GaussianProcess(known, 1.5, 1e-6, np.random.default_rng(0))
        assert [point[0] for point in outliers(process, points)] == expected


def test_smac_repeats_nothing_if_told_so_though_duplicates_are_allowed() -> None:
    space = {"x": {"_type": "choice", "_value": list(range(12))}}
    tuner = create_tuner("SMAC", space, {"config_dedup": True}, seed=0, duplicates="allow")
    assert len({tuner.ask(str(number))["x"] for number in range(12)}) == 12


@pytest.mark.parametrize("name", NAMES)
def test_without_scikit_learn_it_is_named(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ray_remote_nni.tuner.models.create.find_spec", lambda name: None)
    with pytest.raises(UsageError, match=r"needs scikit-learn.*pip install 'ray-remote-nni\[models\]'"):
        create_tuner(name, PLANE)
