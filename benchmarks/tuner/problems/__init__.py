"""What the tuners have to solve, in four sets."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from benchmarks.tuner.problems.conditional import conditional_problems
from benchmarks.tuner.problems.held_out import held_out_problems
from benchmarks.tuner.problems.learned import learned_problems
from benchmarks.tuner.problems.normal import normal_problems
from benchmarks.tuner.problems.problem import Problem, draw
from benchmarks.tuner.problems.synthetic import synthetic_problems
from benchmarks.tuner.problems.tables import table_problems

__all__ = ["SETS", "Problem", "draw", "problems_of"]

SETS: Mapping[str, Callable[[], Sequence[Problem]]] = {
    "ten": lambda: [*synthetic_problems(), *conditional_problems(), *learned_problems()],
    "tables": table_problems,
    "normal": normal_problems,
    "held-out": held_out_problems,
}


def problems_of(name: str) -> Sequence[Problem]:
    """Return the problems of one set."""
    return SETS[name]()
