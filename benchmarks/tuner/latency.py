"""How long one ask and one tell take, and what a trial costs in memory: over finished trials, and over parameters."""

from __future__ import annotations

import math
import statistics
import time
import tracemalloc
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from benchmarks.tuner.problems import draw
from benchmarks.tuner.problems.problem import Space, choice, loguniform, randint, uniform
from benchmarks.tuner.rivals import CONTESTANTS, Contestant

TRIALS = (10, 100, 1000, 10000, 20000)
_REPEATS = 41

SPACES: Mapping[str, Space] = {
    "10 mixed": {
        **{f"u{index}": uniform(-1, 1) for index in range(5)},
        **{f"l{index}": loguniform(1e-5, 1.0) for index in range(2)},
        "c": choice("a", "b", "c", "d"),
        "d": choice(16, 32, 64),
        "n": randint(0, 20),
    },
    "1 uniform": {"x": uniform(0, 1)},
    "3 uniform": {f"x{index}": uniform(0, 1) for index in range(3)},
    "10 uniform": {f"x{index}": uniform(0, 1) for index in range(10)},
    "30 uniform": {f"x{index}": uniform(0, 1) for index in range(30)},
    "10 randint(20)": {f"x{index}": randint(0, 20) for index in range(10)},
    "randint(2^31)": {"n": randint(0, 2**31)},
    "choice of 1000": {"c": choice(*range(1000)), "x": uniform(0, 1)},
}


def latency_report(contestants: Sequence[str], trials: Sequence[int] = TRIALS) -> Iterator[str]:
    """Yield the rows of a table as they are measured.

    Times are milliseconds of this process's CPU; tell and the bytes of a trial are at the largest number of trials.
    """
    yield "| space | tuner | " + " | ".join(f"n = {count}" for count in trials) + " | tell | bytes a trial |"
    yield "|---" * (len(trials) + 4) + "|"
    for name, space in SPACES.items():
        for contestant in contestants:
            cells, tell = [], 0.0
            for count in trials:
                ask, tell = _measure(CONTESTANTS[contestant](space, 0), space, count)
                cells.append(f"{ask:.2f}")
            size = _bytes_per_trial(contestant, space, max(trials))
            yield f"| {name} | {contestant} | " + " | ".join(cells) + f" | {tell:.3f} | {size:.0f} |"


def _measure(tuner: Contestant, space: Space, count: int) -> tuple[float, float]:
    """Return the median times of ask and tell after `count` finished trials."""
    _finish(tuner, space, count)
    asks, tells = [], []
    for number in range(_REPEATS):
        before = time.process_time()
        parameters = tuner.ask(f"measured {number}")
        between = time.process_time()
        tuner.tell(f"measured {number}", _loss(parameters))
        asks.append(1000 * (between - before))
        tells.append(1000 * (time.process_time() - between))
    return statistics.median(asks), statistics.median(tells)


def _bytes_per_trial(contestant: str, space: Space, count: int) -> float:
    """Return by how much the memory grows that Python and NumPy hold, per finished trial."""
    tuner = CONTESTANTS[contestant](space, 0)
    tracemalloc.start()
    try:
        _finish(tuner, space, count)
        return tracemalloc.get_traced_memory()[0] / count
    finally:
        tracemalloc.stop()


def _finish(tuner: Any, space: Space, count: int) -> None:
    """Give the tuner a history: random trials where it takes them, else its own suggestions."""
    rng = np.random.default_rng(1)
    for number in range(count):
        trial_id = f"earlier {number}"
        if hasattr(tuner, "restore"):
            parameters = draw(space, rng)
            tuner.restore(trial_id, parameters)
        else:
            parameters = tuner.ask(trial_id)
        tuner.tell(trial_id, _loss(parameters))


def _loss(parameters: Any) -> float:
    return sum(math.sin(3.0 * value) for value in parameters.values() if isinstance(value, float))
