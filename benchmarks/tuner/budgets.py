"""Tuners that give trials small budgets first, beside those that train each trial to its end, at the same cost."""

from __future__ import annotations

import heapq
import math
import zlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from scipy.stats import wilcoxon

from benchmarks.tuner.problems.budgeted import BUDGET, EPOCHS, budgeted_problems
from benchmarks.tuner.problems.problem import Problem
from benchmarks.tuner.report import half_width
from ray_remote_nni.tuner import NotYet, create_tuner

#: The tuners, with the classArgs that say what a whole training is.
BUDGETED: Mapping[str, Mapping[str, Any]] = {
    "Random": {},
    "TPE": {},
    "Hyperband": {"R": EPOCHS},
    "BOHB": {"max_budget": EPOCHS},
}
#: At what cost they are compared, in whole trainings.
COSTS = (8, 16, 32, 64)


def best_by_cost(name: str, problem: Problem, workers: int, seed: int) -> list[float]:
    """Return the best loss found by the time that the workers had for so many whole trainings each of `COSTS`.

    A trial takes as long as its budget, from the beginning, or up to a fifth less; who waits for others wastes time.
    As in an experiment, the best result counts whatever its budget.
    """
    tuner = create_tuner(name, problem.space, {"optimize_mode": "minimize", **BUDGETED[name]}, seed=seed)
    rng = np.random.default_rng([seed, zlib.crc32(problem.name.encode()), workers])
    running: list[tuple[float, int, float]] = []
    now, asked, best = 0.0, 0, math.inf
    found: list[float] = []
    while len(found) < len(COSTS):
        while len(running) < workers:
            try:
                parameters = tuner.ask(str(asked))
            except NotYet:
                break
            takes = parameters.get(BUDGET, EPOCHS) * rng.uniform(0.8, 1.0)
            heapq.heappush(running, (now + takes, asked, problem.loss(parameters)))
            asked += 1
        now, trial, loss = heapq.heappop(running)
        while len(found) < len(COSTS) and now > COSTS[len(found)] * EPOCHS / workers:
            found.append(best)
        tuner.tell(str(trial), loss)
        best = min(best, loss)
    return found


def budgets_report(tuners: Sequence[str], workers: Sequence[int], seeds: Sequence[int]) -> Iterator[str]:
    """Yield Markdown: relative regrets, and how far each tuner is from the first, over all costs; p is Wilcoxon's."""
    costs = " | ".join(str(cost) for cost in COSTS)
    yield f"| problem | at once | tuner | {costs} | against {tuners[0]}: p |"
    yield "|---" * (len(COSTS) + 4) + "|"
    for problem in budgeted_problems():
        for at_once in workers:
            regrets = {
                name: np.array([[*map(problem.regret, best_by_cost(name, problem, at_once, seed))] for seed in seeds])
                for name in tuners
            }
            for name, values in regrets.items():
                cells = [f"{column.mean():.2f} ± {half_width(column):.2f}" for column in values.T]
                differences = (values - regrets[tuners[0]]).mean(axis=1)
                ahead = f"{differences.mean():+.2f}, {wilcoxon(differences).pvalue:.0e}" if differences.any() else ""
                yield f"| {problem.name} | {at_once} | {name} | {' | '.join(cells)} | {ahead} |"
