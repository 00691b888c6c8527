"""The benchmark's command line: `python -m benchmarks.assessor` prints a table."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from itertools import product
from typing import Any

import numpy as np

from benchmarks.assessor.curves import SETS, Curves
from ray_remote_nni.assessor import create_assessor

#: What an assessor is to save of the epochs, and may lose of the best value.
LEAST_SAVED, MOST_LOST = 0.4, 0.01


def replay(curves: Curves, name: str, arguments: Mapping[str, Any], workers: int) -> tuple[float, float]:
    """Return the share of epochs saved, and the share of the best last value lost.

    `workers` trials run at a time, an epoch of each in turn; the next trial starts where one has ended.
    """
    assessor = create_assessor(name, arguments)
    waiting = list(range(len(curves)))
    running: dict[int, int] = {}
    epochs, best = 0, -np.inf
    while waiting or running:
        while waiting and len(running) < workers:
            running[waiting.pop(0)] = 0
        for trial in list(running):
            running[trial] += 1
            epochs += 1
            history = curves[trial][: running[trial]]
            stopped = not assessor.assess(str(trial), history)
            if stopped or len(history) == len(curves[trial]):
                assessor.end(str(trial), history, succeeded=not stopped)
                best = best if stopped else max(best, history[-1])
                del running[trial]
    possible = max(curve[-1] for curve in curves)
    return 1 - epochs / sum(map(len, curves)), (possible - best) / possible


def main() -> None:
    """Measure and print Markdown."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.assessor", description=__doc__)
    parser.add_argument("--assessors", nargs="+", default=["Medianstop", "Curvefitting"])
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 8])
    options = parser.parse_args()
    print("| curves | assessor | start_step | trials at once | epochs saved | best value lost: mean | most | goal |")
    print("|---|---|---|---|---|---|---|---|")
    for set_name, make in SETS.items():
        curves = [make(seed) for seed in range(options.seeds)]
        for assessor in options.assessors:
            epochs = len(curves[0][0])
            fixed = {"epoch_num": epochs} if assessor.lower() == "curvefitting" else {}
            for start_step, workers in product((0, epochs // 5), options.workers):
                arguments = {**fixed, "start_step": start_step}
                results = np.array([replay(one, assessor, arguments, workers) for one in curves])
                saved, lost = results.mean(axis=0)
                goal = "holds" if saved >= LEAST_SAVED and lost <= MOST_LOST else "MISSED"
                measured = f"{saved:.0%} | {lost:.2%} | {results[:, 1].max():.2%} | {goal}"
                print(f"| {set_name} | {assessor} | {start_step} | {workers} | {measured} |", flush=True)


if __name__ == "__main__":
    main()
