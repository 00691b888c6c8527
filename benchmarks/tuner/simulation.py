"""One search: a tuner, a problem, and some workers that take different times; in no time, without running them."""

from __future__ import annotations

import heapq
import math
import time
import zlib
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from benchmarks.tuner.problems import Problem
from benchmarks.tuner.rivals import CONTESTANTS
from ray_remote_nni.tuner import NotYet

BUDGET = 100


@dataclass(frozen=True)
class Run:
    """What decides a search: the same values give the same search."""

    problem: str
    contestant: str
    workers: int
    seed: int
    noise: float = 0.0
    budget: int = BUDGET


@dataclass(frozen=True)
class Outcome:
    """The best loss found, half-way and at the end, and the time that the tuner took per trial."""

    best_half_way: float
    best: float
    milliseconds: float

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def search(run: Run, problem: Problem) -> Outcome:
    """Run one search.

    Workers take log-normal times, the same ones for all contestants. With noise, the tuner is told losses
    with a normal error of that share of the problem's scale, and the configuration that looked best is
    judged by its true loss.
    """
    tuner = CONTESTANTS[run.contestant](problem.space, run.seed)
    rng = np.random.default_rng([run.seed, zlib.crc32(problem.name.encode()), run.workers])
    durations = rng.lognormal(0.0, 0.35, run.budget)
    scale = run.noise * (problem.best_of_ten - problem.optimum) if run.noise else 0.0
    errors = rng.normal(0.0, scale, run.budget)
    running: list[tuple[float, int, float]] = []
    best_by_trial: list[float] = []
    best_seen, best, now, asked, spent = math.inf, math.inf, 0.0, 0, 0.0
    while len(best_by_trial) < run.budget:
        while asked < run.budget and len(running) < run.workers:
            started = time.perf_counter()
            try:
                parameters = tuner.ask(str(asked))
            except NotYet:
                break
            finally:
                spent += time.perf_counter() - started
            heapq.heappush(running, (now + durations[asked], asked, problem.loss(parameters)))
            asked += 1
        now, trial, loss = heapq.heappop(running)
        seen = loss + errors[trial]
        started = time.perf_counter()
        tuner.tell(str(trial), seen)
        spent += time.perf_counter() - started
        if seen < best_seen:
            best_seen, best = seen, loss
        best_by_trial.append(best)
    return Outcome(best_by_trial[run.budget // 2 - 1], best, 1000 * spent / run.budget)
