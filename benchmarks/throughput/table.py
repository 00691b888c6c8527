"""The report: Markdown tables, and whether the bounds hold."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from benchmarks.throughput.hosts import HostsReport, RayStart
from benchmarks.throughput.measurement import Measurement, best_ms, median_ms

XARGS, OWN, UP, TUNE = (
    "xargs -P 4",
    "ray-nni run, cluster brought up for it",
    "ray-nni run, cluster up before",
    "Ray Tune, HyperOptSearch",
)
#: Our bounds: times the bare processes' time, times faster than Ray Tune, times the time of two `ray start`.
MOST_OF_XARGS, LEAST_OF_TUNE, MOST_OF_RAY_START = 1.25, 25.0, 1.3


@dataclass(frozen=True)
class Bound:
    """A promise, and what was measured."""

    promise: str
    measured: float
    holds: bool

    def __str__(self) -> str:
        return f"{'holds ' if self.holds else 'MISSED'}  {self.promise}: {self.measured:.2f}"


def throughput_table(runs: dict[str, Sequence[Measurement]]) -> Iterator[str]:
    """Yield the table of several ways to run the same trials; the first is what the others are compared with."""
    base = next(iter(runs.values()))
    yield from _head(
        "the same trials",
        "trials",
        "runs",
        "ms a trial, best",
        "median",
        "times xargs, best",
        "median",
        "whole command, s",
        "load",
    )
    for name, measured in runs.items():
        yield _row(
            name,
            str(measured[0].window.trials),
            str(len(measured)),
            f"{best_ms(measured):.1f}",
            f"{median_ms(measured):.1f}",
            f"{best_ms(measured) / best_ms(base):.2f}",
            f"{median_ms(measured) / median_ms(base):.2f}",
            f"{statistics.median(run.wall_s for run in measured):.1f}",
            _loads([run.load for run in measured]),
        )


def hosts_tables(reports: Sequence[HostsReport]) -> Iterator[str]:
    """Yield the tables of what was measured over test machines."""
    yield from _head(
        "machines",
        "up, new machines, s",
        "run, s",
        "ms a trial, best",
        "median",
        "xargs here, best",
        "times xargs, best",
        "median",
        "down, s",
        "up again, s",
        "down, s",
        "load",
    )
    for report in reports:
        cold, warm = report.cold, report.warm
        yield _row(
            str(report.machines),
            f"{cold.up_s:.1f}",
            f"{statistics.median(run.wall_s for run in cold.ours):.1f}",
            f"{best_ms(cold.ours):.1f}",
            f"{median_ms(cold.ours):.1f}",
            f"{best_ms(cold.bare):.1f}",
            f"{best_ms(cold.ours) / best_ms(cold.bare):.2f}",
            f"{median_ms(cold.ours) / median_ms(cold.bare):.2f}",
            f"{cold.down_s:.1f}",
            f"{warm.up_s:.1f}",
            f"{warm.down_s:.1f}",
            _loads([cold.load, warm.load, *(run.load for run in cold.ours)]),
        )
    yield ""
    yield from _head("machines", "in this order", "s", "times the mean of both pairs of ray starts", "load")
    for report in reports:
        base = _ray_start_s(report.ray_starts)
        for before, name, session in zip(
            report.ray_starts, ("up, new machines", "up again"), (report.cold, report.warm), strict=True
        ):
            both = f"ray start --head {before.head_s:.1f} + ray start --address {before.worker_s:.1f}"
            yield _row(str(report.machines), both, f"{before.seconds:.1f}", "", f"{before.load:.1f}")
            ratio = f"{session.up_s / base:.2f}"
            yield _row(str(report.machines), name, f"{session.up_s:.1f}", ratio, f"{session.load:.1f}")


def throughput_bounds(runs: dict[str, Sequence[Measurement]]) -> list[Bound]:
    """Judge the runs on one machine, by the best of each."""
    bare, ours = best_ms(runs[XARGS]), best_ms(runs[UP])
    own = best_ms(runs[OWN])
    bounds = [
        Bound(f"{UP}, at most {MOST_OF_XARGS} of xargs", ours / bare, ours <= MOST_OF_XARGS * bare),
        Bound(f"{OWN}, at most {MOST_OF_XARGS} of xargs", own / bare, own <= MOST_OF_XARGS * bare),
    ]
    if TUNE in runs:
        faster = best_ms(runs[TUNE]) / own
        bounds.append(Bound(f"at least {LEAST_OF_TUNE:.0f} times as fast as Ray Tune", faster, faster >= LEAST_OF_TUNE))
    return bounds


def hosts_bounds(reports: Sequence[HostsReport]) -> list[Bound]:
    """Judge `up` of three machines."""
    bounds = []
    for report in reports:
        if report.machines == 3:
            base = _ray_start_s(report.ray_starts)
            for name, session in (("on new machines", report.cold), ("again", report.warm)):
                ratio = session.up_s / base
                promise = f"up of three machines {name}, at most {MOST_OF_RAY_START} of two ray starts"
                bounds.append(Bound(promise, ratio, ratio <= MOST_OF_RAY_START))
    return bounds


def _ray_start_s(starts: Sequence[RayStart]) -> float:
    return statistics.mean(start.seconds for start in starts)


def _loads(loads: Sequence[float]) -> str:
    return f"{min(loads):.1f} to {max(loads):.1f}"


def _head(*cells: str) -> Iterator[str]:
    yield _row(*cells)
    yield _row(*("---" for _ in cells))


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"
