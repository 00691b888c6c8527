from __future__ import annotations

import pytest

from benchmarks.tuner.budgets import BUDGETED, best_by_cost
from benchmarks.tuner.problems.budgeted import BUDGET, EPOCHS, budgeted_problems
from benchmarks.tuner.problems.problem import Problem

MLP, GB = budgeted_problems()
PARAMETERS = {
    MLP.name: {"rate": 0.03, "alpha": 1e-4, "momentum": 0.45, "batch": 16, "width": 72},
    GB.name: {"rate": 0.1, "depth": 3, "leaf": 5, "share": 0.7},
}


@pytest.mark.parametrize("problem", [MLP, GB])
def test_a_training_that_is_cut_short_has_learnt_less(problem: Problem) -> None:
    parameters = PARAMETERS[problem.name]
    losses = [problem.loss({**parameters, BUDGET: epochs}) for epochs in (1, 3, 9, EPOCHS)]
    assert losses == sorted(losses, reverse=True)
    assert problem.loss(parameters) == losses[-1]


@pytest.mark.parametrize("tuner", list(BUDGETED))
def test_the_best_becomes_no_worse_the_more_is_spent(tuner: str) -> None:
    found = best_by_cost(tuner, MLP, workers=8, seed=0)
    assert found == sorted(found, reverse=True)
    assert found[0] < 0.5
