"""The benchmark's command line: `python -m benchmarks.bringup`, as root."""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from benchmarks.throughput.command import Command
from benchmarks.throughput.hosts import BIN, bare_ray, m, ray_start
from benchmarks.throughput.measurement import load
from benchmarks.throughput.trials import Workload, own_python, write_config


@dataclass(frozen=True)
class Row:
    """What so many machines took, in seconds: `again` is an `up` with nothing to do, `bare` a `ray start` on each."""

    machines: int
    bare: float
    up: float
    again: float
    down: float
    load: float


def main() -> int:
    """Measure and print a Markdown table; return 1 where this is not root's."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.bringup", description=__doc__)
    parser.add_argument("--machines", type=int, nargs="+", default=[1, 2, 4, 8], help="numbers of test machines")
    counts = parser.parse_args().machines
    if os.geteuid() != 0:
        print("The test machines are made by root.", file=sys.stderr)
        return 1
    print(f"{os.cpu_count()} CPUs, load {load():.1f} at the start.\n", flush=True)
    for line in table([measure(count) for count in counts]):
        print(line)
    return 0


def measure(count: int) -> Row:
    """Measure on machines that have Ray, and our code from an `up` before."""
    with (
        m.machines(*[m.Spec()] * count, shared=[Path(sys.prefix), Path(sys.base_prefix)]) as made,
        tempfile.TemporaryDirectory(prefix="bench-") as name,
    ):
        home = Path(name)
        command = Command(m.make_client_home(home, made))
        entries = [machine.entry(pythonPath=str(BIN)) for machine in made]
        service = {"platform": "remote", "machineList": entries}
        config = write_config(home / "experiment", Workload(1, own_python()), service)
        with command.cluster(config):
            pass
        before = load()
        bare = start_bare(made)
        with command.cluster(config) as (up, down):
            _, again = command.run("up", config)
    return Row(count, bare, up, again, down[0], before)


def start_bare(made: Sequence[m.TestMachine]) -> float:
    """Return the seconds of a bare `ray start` on all machines at once: there is nothing faster to wait for."""
    head, *others = made
    with bare_ray(made), ThreadPoolExecutor(len(made)) as pool:
        began = time.monotonic()
        # A worker waits for its head.
        starts = [pool.submit(ray_start, head), *(pool.submit(ray_start, other, head) for other in others)]
        for start in starts:
            start.result()
        return time.monotonic() - began


def table(rows: Sequence[Row]) -> Iterator[str]:
    """Yield the lines of a Markdown table; the ratios are to the first row, and to bare Ray on as many machines."""
    yield "| machines | up | × the first | again | down | bare Ray | × the first | up ÷ bare | load |"
    yield "|---|---|---|---|---|---|---|---|---|"
    first = rows[0]
    for row in rows:
        yield (
            f"| {row.machines} | {row.up:.1f} s | {row.up / first.up:.2f} | {row.again:.1f} s | {row.down:.1f} s "
            f"| {row.bare:.1f} s | {row.bare / first.bare:.2f} | {row.up / row.bare:.2f} | {row.load:.1f} |"
        )


if __name__ == "__main__":
    sys.exit(main())
