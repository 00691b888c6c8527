"""Tables of search quality, in Markdown: mean rank and relative regret, and who is ahead for certain."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import rankdata, wilcoxon

from benchmarks.tuner.problems import Problem
from benchmarks.tuner.simulation import Outcome, Run


@dataclass(frozen=True)
class Grid:
    """Relative regrets of the contestants on the same problems and seeds."""

    contestants: Sequence[str]
    problems: Sequence[str]
    seeds: Sequence[int]
    regrets: np.ndarray  # contestants x problems x seeds
    milliseconds: Sequence[float]


def quality_report(results: Mapping[Run, Outcome], problems: Mapping[str, Problem], favourite: str = "ours") -> str:
    """Report every number of workers and every noise that the results have."""
    lines: list[str] = []
    settings = sorted({(run.noise, run.workers, run.budget) for run in results})
    for noise, workers, budget in settings:
        chosen = {
            run: outcome
            for run, outcome in results.items()
            if (run.noise, run.workers, run.budget) == (noise, workers, budget)
        }
        for title, best in _MOMENTS.items():
            grid = _grid(chosen, problems, best)
            if grid is None:
                continue
            suffix = f", noise {noise:g}" if noise else ""
            lines += ["", f"### {workers} at once, {title} of {budget} evaluations{suffix}", ""]
            lines += _table(grid)
            if title == "at the end":
                lines += ["", *_by_problem(grid), "", *_duels(grid, favourite)]
    return "\n".join(lines)


_MOMENTS: Mapping[str, Callable[[Outcome], float]] = {
    "half-way": lambda outcome: outcome.best_half_way,
    "at the end": lambda outcome: outcome.best,
}


def _grid(
    results: Mapping[Run, Outcome], problems: Mapping[str, Problem], best: Callable[[Outcome], float]
) -> Grid | None:
    contestants = sorted({run.contestant for run in results})
    # What a contestant does not take counts for none.
    names = [name for name in problems if {run.contestant for run in results if run.problem == name} == {*contestants}]
    found = {(run.contestant, run.problem, run.seed): outcome for run, outcome in results.items()}
    seeds = [
        seed
        for seed in sorted({run.seed for run in results})
        if all((contestant, name, seed) in found for contestant in contestants for name in names)
    ]
    if len(seeds) < 2:
        return None
    regrets = np.array(
        [
            [[problems[name].regret(best(found[contestant, name, seed])) for seed in seeds] for name in names]
            for contestant in contestants
        ]
    )
    milliseconds = [
        float(np.median([found[contestant, name, seed].milliseconds for name in names for seed in seeds]))
        for contestant in contestants
    ]
    return Grid(contestants, names, seeds, regrets, milliseconds)


def _table(grid: Grid) -> Iterator[str]:
    ranks = np.apply_along_axis(rankdata, 0, np.round(grid.regrets, 9))
    yield f"{len(grid.seeds)} seeds ({grid.seeds[0]} to {grid.seeds[-1]}), {len(grid.problems)} problems"
    yield ""
    yield "| tuner | mean rank | relative regret | ms per trial |"
    yield "|---|---|---|---|"
    for index in np.argsort(grid.regrets.mean(axis=(1, 2))):
        rank, regret = (values[index].mean(axis=0) for values in (ranks, grid.regrets))
        yield (
            f"| {grid.contestants[index]} | {rank.mean():.2f} ± {half_width(rank):.2f} "
            f"| {regret.mean():.3f} ± {half_width(regret):.3f} | {grid.milliseconds[index]:.2f} |"
        )


def _by_problem(grid: Grid) -> Iterator[str]:
    yield "| tuner | " + " | ".join(grid.problems) + " |"
    yield "|---" * (len(grid.problems) + 1) + "|"
    means = grid.regrets.mean(axis=2)
    for index in np.argsort(means.mean(axis=1)):
        yield f"| {grid.contestants[index]} | " + " | ".join(f"{value:.2f}" for value in means[index]) + " |"


def _duels(grid: Grid, favourite: str) -> Iterator[str]:
    """Compare one contestant with each other one, search by search (Wilcoxon, two-sided)."""
    if favourite not in grid.contestants:
        return
    own = grid.regrets[grid.contestants.index(favourite)]
    for contestant, other in zip(grid.contestants, grid.regrets, strict=True):
        difference = (own - other).ravel()
        if contestant == favourite or not difference.any():
            continue
        wins, losses = (difference < -1e-9).sum(), (difference > 1e-9).sum()
        interval = f"{difference.mean():+.3f} ± {half_width((own - other).mean(axis=0)):.3f}"
        p = wilcoxon(difference).pvalue
        yield f"- {favourite} against {contestant}: {wins} wins, {losses} losses, difference {interval}, p = {p:.1g}"


def half_width(values: np.ndarray) -> float:
    """Half of the 95 % interval of a mean over seeds, by bootstrap."""
    rng = np.random.default_rng(0)
    means = values[rng.integers(0, len(values), (2000, len(values)))].mean(axis=1)
    low, high = np.percentile(means, [2.5, 97.5])
    return float((high - low) / 2)
