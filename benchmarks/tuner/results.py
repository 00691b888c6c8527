"""Results on disk, one JSON line a search, so that a measurement can be stopped and goes on."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from benchmarks.tuner.problems import Problem
from benchmarks.tuner.simulation import Outcome, Run, search


def load(path: Path) -> dict[Run, Outcome]:
    """Read all results of a file; a line that was cut off is left out."""
    found: dict[Run, Outcome] = {}
    if not path.exists():
        return found
    for line in path.read_text().splitlines():
        try:
            row = json.loads(line)
        except json.JSONDecodeError:
            continue
        found[Run(**row["run"])] = Outcome(**row["outcome"])
    return found


def measure(path: Path, runs: Iterable[Run], problems: Mapping[str, Problem], jobs: int) -> None:
    """Do the searches that the file does not have yet, in `jobs` processes."""
    done = load(path)
    missing = [run for run in runs if run not in done]
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        for run, outcome in _outcomes(missing, problems, jobs):
            file.write(json.dumps({"run": asdict(run), "outcome": outcome.to_json()}) + "\n")
            file.flush()


def _outcomes(runs: Sequence[Run], problems: Mapping[str, Problem], jobs: int) -> Iterator[tuple[Run, Outcome]]:
    if jobs == 1:
        for run in runs:
            yield run, search(run, problems[run.problem])
        return
    # Forked, so that the problems, which do not pickle, are there.
    _shared.update(problems)
    with get_context("fork").Pool(jobs) as pool:
        yield from pool.imap_unordered(_search_shared, runs, chunksize=2)


_shared: dict[str, Any] = {}


def _search_shared(run: Run) -> tuple[Run, Outcome]:
    return run, search(run, _shared[run.problem])
