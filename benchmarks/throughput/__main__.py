"""The benchmark's command line: `python -m benchmarks.throughput`."""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

from benchmarks.throughput.bare import run_xargs
from benchmarks.throughput.command import Command
from benchmarks.throughput.hosts import measure_hosts
from benchmarks.throughput.measurement import Measurement, Turns, take_turns
from benchmarks.throughput.table import (
    OWN,
    TUNE,
    UP,
    Bound,
    hosts_bounds,
    hosts_tables,
    throughput_bounds,
    throughput_table,
)
from benchmarks.throughput.trials import Workload, make_lean_python, own_python, write_config
from benchmarks.throughput.tune import run_tune, tune_python


def main() -> int:
    """Measure, print Markdown tables and the bounds; return 1 where a bound is missed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.throughput", description=__doc__)
    parser.add_argument("--trials", type=int, default=200, help="of each run (default: 200)")
    parser.add_argument("--repeats", type=int, default=3, help="runs of each kind, in turn (default: 3)")
    parser.add_argument("--tune-trials", type=int, default=100, help="of Ray Tune's one run; 0 leaves it out")
    parser.add_argument("--lean", action="store_true", help="trials in a Python without packages, which starts soonest")
    parser.add_argument("--machines", type=int, nargs="*", default=[2, 3], help="numbers of test machines, as root")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        python = make_lean_python(Path(name)) if arguments.lean else own_python()
        bounds = _measure(Workload(arguments.trials, python), arguments)
    return 0 if all(bound.holds for bound in bounds) else 1


def _measure(workload: Workload, arguments: argparse.Namespace) -> list[Bound]:
    bounds: list[Bound] = []
    print(f"{os.cpu_count()} CPUs, load {os.getloadavg()[0]:.1f} at the start; 4 trials at once.\n", flush=True)
    rows = _local(workload, arguments.repeats, arguments.tune_trials)
    bounds += throughput_bounds(rows)
    _print(throughput_table(rows))
    if os.geteuid() == 0 and arguments.machines:
        reports = [measure_hosts(count, workload, arguments.repeats) for count in arguments.machines]
        bounds += hosts_bounds(reports)
        _print(hosts_tables(reports))
    elif arguments.machines:
        print("The test machines are made by root: that part was left out.\n")
    _print(map(str, bounds))
    return bounds


def _local(workload: Workload, repeats: int, tune_trials: int) -> list[Turns]:
    """Run all on this machine."""

    def bare() -> Measurement:
        return run_xargs(workload)

    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        home = Path(name)
        command = Command(home)
        config = write_config(home / "experiment", workload, {"platform": "local"})
        rows = [take_turns(OWN, lambda: command.measure(config), bare, repeats)]
        with command.cluster(config):
            rows.append(take_turns(UP, lambda: command.measure(config), bare, repeats))
    if tune_trials:
        python = tune_python()
        rows.append(take_turns(TUNE, lambda: run_tune(python, Workload(tune_trials, workload.python)), bare, 1))
    return rows


def _print(lines: Iterable[str]) -> None:
    print("\n".join(lines), end="\n\n", flush=True)


if __name__ == "__main__":
    sys.exit(main())
