"""The benchmark measures what it says: legal spaces, true optima, searches that can be repeated."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ray_remote_nni.testing import assert_legal

sys.path.insert(0, str(Path(__file__).parents[3]))

from benchmarks.tuner.problems import Problem, draw, problems_of
from benchmarks.tuner.report import quality_report
from benchmarks.tuner.results import load, measure
from benchmarks.tuner.rivals import takes
from benchmarks.tuner.simulation import Run, search

PROBLEMS = [problem for name in ("ten", "normal", "held-out") for problem in problems_of(name)]


@pytest.mark.parametrize("problem", PROBLEMS, ids=lambda problem: problem.name)
def test_no_draw_is_better_than_the_optimum(problem: Problem) -> None:
    rng = np.random.default_rng(0)
    for _ in range(200):
        parameters = draw(problem.space, rng)
        assert_legal(problem.space, parameters)
        assert problem.loss(parameters) >= problem.optimum


BRANIN = PROBLEMS[0]


@pytest.fixture
def small_scale(monkeypatch: pytest.MonkeyPatch) -> dict[str, Problem]:
    problem = replace(BRANIN)
    vars(problem)["best_of_ten"] = problem.optimum + 5.0
    return {problem.name: problem}


def test_a_search_can_be_repeated() -> None:
    run = Run(BRANIN.name, "ours", workers=4, seed=3, budget=30)
    first, second = search(run, BRANIN), search(run, BRANIN)
    assert (first.best, first.best_half_way) == (second.best, second.best_half_way)
    assert first.best <= first.best_half_way


@pytest.mark.parametrize("contestant", ["Evolution", "BOHB", "GP"])
def test_our_other_tuners_may_take_part_where_they_take_the_space(contestant: str) -> None:
    run = Run(BRANIN.name, contestant, workers=4, seed=3, budget=12)
    assert search(run, BRANIN).best >= BRANIN.optimum
    nested = next(problem for problem in PROBLEMS if "_name" in str(problem.space))
    assert takes(contestant, BRANIN.space)
    assert takes(contestant, nested.space) == (contestant != "GP")


def test_noise_is_told_to_the_tuner_and_not_reported(small_scale: dict[str, Problem]) -> None:
    run = Run(BRANIN.name, "random", workers=1, seed=3, noise=0.5, budget=30)
    assert search(run, small_scale[BRANIN.name]).best >= BRANIN.optimum


def test_a_measurement_that_was_cut_off_goes_on(tmp_path: Path, small_scale: dict[str, Problem]) -> None:
    path = tmp_path / "results.jsonl"
    runs = [Run(BRANIN.name, contestant, 2, seed, budget=20) for contestant in ("ours", "random") for seed in range(3)]
    measure(path, runs[:2], small_scale, jobs=1)
    with path.open("a") as file:
        file.write('{"run": {"prob')
        file.write("\n")
    first = load(path)
    measure(path, runs, small_scale, jobs=1)
    results = load(path)
    assert set(results) == set(runs)
    assert all(results[run] == first[run] for run in first)
    report = quality_report(results, small_scale)
    assert "### 2 at once, at the end of 20 evaluations" in report
    assert "ours against random" in report
