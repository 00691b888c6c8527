"""The benchmark's command line: `python -m benchmarks.tuner quality|budgets|latency --help`."""

from __future__ import annotations

import argparse
import os

# One process, one core: BLAS's threads would be measured along with the tuners.
for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "1")

from pathlib import Path  # noqa: E402

from benchmarks.tuner.budgets import BUDGETED, budgets_report  # noqa: E402
from benchmarks.tuner.latency import TRIALS, latency_report  # noqa: E402
from benchmarks.tuner.problems import SETS, problems_of  # noqa: E402
from benchmarks.tuner.report import quality_report  # noqa: E402
from benchmarks.tuner.results import load, measure  # noqa: E402
from benchmarks.tuner.rivals import CONTESTANTS, takes  # noqa: E402
from benchmarks.tuner.simulation import BUDGET, Run  # noqa: E402

_MAIN = ("ours", "hyperopt (Ray Tune)", "NNI", "Optuna", "random")


def main() -> None:
    """Measure what the command line asks for and print Markdown."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.tuner", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    quality = commands.add_parser("quality", help="how good the best configuration is after some evaluations")
    quality.add_argument("--set", choices=list(SETS), default="ten")
    quality.add_argument("--problems", nargs="+", help="of the set; all, if left out")
    quality.add_argument("--first-seed", type=int, default=0)
    quality.add_argument("--seeds", type=int, default=3)
    quality.add_argument("--workers", type=int, nargs="+", default=[1, 8])
    quality.add_argument("--noise", type=float, default=0.0, help="of the losses told, as a share of the scale")
    quality.add_argument("--budget", type=int, default=BUDGET)
    quality.add_argument("--jobs", type=int, default=1)
    quality.add_argument("--results", type=Path, default=Path("benchmarks/tuner/results"))
    budgets = commands.add_parser("budgets", help="the same at the cost of some whole trainings, with cheaper ones")
    budgets.add_argument("--first-seed", type=int, default=0)
    budgets.add_argument("--seeds", type=int, default=20)
    budgets.add_argument("--workers", type=int, nargs="+", default=[1, 8])
    budgets.add_argument("--tuners", nargs="+", choices=list(BUDGETED), default=list(BUDGETED), metavar="TUNER")
    latency = commands.add_parser("latency", help="how long an ask and a tell take")
    latency.add_argument("--trials", type=int, nargs="+", default=list(TRIALS))
    for command, default in ((quality, _MAIN), (latency, ("ours",))):
        command.add_argument("--tuners", nargs="+", choices=list(CONTESTANTS), default=list(default), metavar="TUNER")
    arguments = parser.parse_args()
    if arguments.command == "latency":
        for line in latency_report(arguments.tuners, arguments.trials):
            print(line, flush=True)
    elif arguments.command == "budgets":
        seeds = range(arguments.first_seed, arguments.first_seed + arguments.seeds)
        for line in budgets_report(arguments.tuners, arguments.workers, seeds):
            print(line, flush=True)
    else:
        _quality(arguments)


def _quality(arguments: argparse.Namespace) -> None:
    problems = {
        problem.name: problem
        for problem in problems_of(arguments.set)
        if not arguments.problems or problem.name in arguments.problems
    }
    runs = [
        Run(name, tuner, workers, seed, arguments.noise, arguments.budget)
        for seed in range(arguments.first_seed, arguments.first_seed + arguments.seeds)
        for workers in arguments.workers
        for tuner in arguments.tuners
        for name, problem in problems.items()
        if takes(tuner, problem.space)
    ]
    path = arguments.results / f"{arguments.set}.jsonl"
    measure(path, runs, problems, arguments.jobs)
    wanted = set(runs)
    print(quality_report({run: outcome for run, outcome in load(path).items() if run in wanted}, problems))


if __name__ == "__main__":
    main()
