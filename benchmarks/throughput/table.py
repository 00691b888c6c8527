"""The report: Markdown tables, and whether the bounds hold."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from benchmarks.throughput.measurement import HostsReport, RayStart, Turns, best_ms, median_ms

OWN = "ray-nni run, cluster brought up for it"
UP = "ray-nni run, cluster up before"
TUNE = "Ray Tune, HyperOptSearch"
#: Our bounds: times the bare processes' time, times faster than Ray Tune, times the time of two `ray start`.
MOST_OF_XARGS, LEAST_OF_TUNE, MOST_OF_RAY_START = 1.25, 25.0, 1.3
_HEAD = ("trials", "runs", "ms a trial: best", "middle", "xargs beside: best", "middle", "ratio: best", "middle")


@dataclass(frozen=True)
class Bound:
    """A promise, and what was measured."""

    promise: str
    measured: float
    holds: bool

    def __str__(self) -> str:
        return f"{'holds ' if self.holds else 'MISSED'}  {self.promise}: {self.measured:.2f}"


def throughput_table(rows: Sequence[Turns]) -> Iterator[str]:
    """Yield the table of several ways to run the same trials, each beside the bare processes that took turns with it.

    The ratios are those of `Turns.ratios`: the middle one is what counts.
    """
    yield from _head("the same trials", *_HEAD, "whole command, s", "load")
    for row in rows:
        yield _row(row.name, *_cells(row), _middle_wall_s(row), _loads(row))


def hosts_tables(reports: Sequence[HostsReport]) -> Iterator[str]:
    """Yield the tables of what was measured over test machines."""
    yield from _head("machines", *_HEAD, "up, s", "run, s", "down, s", "up again, s", "down, s", "load")
    for report in reports:
        cold, warm = report.cold, report.warm
        times = (f"{cold.down_s:.1f}", f"{warm.up_s:.1f}", f"{warm.down_s:.1f}", _loads(cold.turns))
        up_s = f"{cold.up_s:.1f}"
        yield _row(str(report.machines), *_cells(cold.turns), up_s, _middle_wall_s(cold.turns), *times)
    yield ""
    yield from _head("machines", "in this order", "s", "beside the mean of both pairs of ray starts", "load")
    for report in reports:
        base = _ray_start_s(report.ray_starts)
        for before, name, session in zip(
            report.ray_starts, ("up, new machines", "up again"), (report.cold, report.warm), strict=True
        ):
            both = f"ray start --head {before.head_s:.1f} + ray start --address {before.worker_s:.1f}"
            yield _row(str(report.machines), both, f"{before.seconds:.1f}", "", f"{before.load:.1f}")
            ratio = f"{session.up_s / base:.2f}"
            yield _row(str(report.machines), name, f"{session.up_s:.1f}", ratio, f"{session.load:.1f}")


def throughput_bounds(rows: Sequence[Turns]) -> list[Bound]:
    """Judge the runs on one machine, each by its middle ratio or time."""
    bounds = []
    middle = {row.name: median_ms(row.runs) for row in rows}
    for row in rows:
        if row.name == TUNE:
            faster = middle[TUNE] / middle[OWN]
            promise = f"{OWN}, at least {LEAST_OF_TUNE:.0f} times as fast as Ray Tune"
            bounds.append(Bound(promise, faster, faster >= LEAST_OF_TUNE))
        else:
            ratio = statistics.median(row.ratios)
            bounds.append(Bound(f"{row.name}, at most {MOST_OF_XARGS} of xargs", ratio, ratio <= MOST_OF_XARGS))
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


def _cells(row: Turns) -> tuple[str, ...]:
    return (
        str(row.runs[0].window.trials),
        str(len(row.runs)),
        f"{best_ms(row.runs):.1f}",
        f"{median_ms(row.runs):.1f}",
        f"{best_ms(row.bare):.1f}",
        f"{median_ms(row.bare):.1f}",
        f"{min(row.ratios):.2f}",
        f"{statistics.median(row.ratios):.2f}",
    )


def _middle_wall_s(row: Turns) -> str:
    return f"{statistics.median(run.wall_s for run in row.runs):.1f}"


def _loads(row: Turns) -> str:
    loads = [run.load for run in (*row.runs, *row.bare)]
    return f"{min(loads):.1f} to {max(loads):.1f}"


def _ray_start_s(starts: Sequence[RayStart]) -> float:
    return statistics.mean(start.seconds for start in starts)


def _head(*cells: str) -> Iterator[str]:
    yield _row(*cells)
    yield _row(*("---" for _ in cells))


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"
