"""The command that changes an experiment while it runs: update."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated, Any

import typer

from ray_remote_nni.cli.experiment import ExperimentArgument
from ray_remote_nni.cli.output import ask_secret, say
from ray_remote_nni.config.changes import read_duration, read_search_space
from ray_remote_nni.errors import ClusterError, UsageError
from ray_remote_nni.experiment.access import access_cluster
from ray_remote_nni.experiment.mirror import catch_up
from ray_remote_nni.experiment.registry import find_experiment
from ray_remote_nni.experiment.status import cluster_of
from ray_remote_nni.experiment.stop import send_request
from ray_remote_nni.records.reader import RecordReader


def register(app: typer.Typer) -> None:
    """Add these commands."""
    app.command()(update)


def update(
    experiment: ExperimentArgument = None,
    concurrency: Annotated[int | None, typer.Option("--concurrency", min=1, help="Trials that run at once.")] = None,
    max_trials: Annotated[int | None, typer.Option("--max-trials", min=1, help="Limit of their number.")] = None,
    duration: Annotated[str | None, typer.Option("--duration", help="Limit of the whole: 24h.")] = None,
    search_space: Annotated[
        Path | None, typer.Option("--search-space", help="JSON or YAML file of the new search space.")
    ] = None,
) -> None:
    """Change a running experiment; resume keeps to it. Trials that run already are left alone."""
    given: dict[str, Any] = {
        "trialConcurrency": concurrency,
        "maxTrialNumber": max_trials,
        "maxExperimentDuration": None if duration is None else read_duration(duration),
    }
    changes = {name: value for name, value in given.items() if value is not None}
    if not changes and search_space is None:
        raise UsageError("Say what to change: --concurrency, --max-trials, --duration or --search-space.")
    entry = find_experiment(experiment)
    access = access_cluster(cluster_of(entry), ask_secret)

    async def updating() -> None:
        async with access.head() as head:
            pulse = await catch_up(entry, head)
            if pulse is None or pulse.status != "RUNNING" or not pulse.driver_alive:
                raise ClusterError(f"Experiment {entry.experiment_id} does not run. Only a running one can be changed.")
            if search_space is not None:
                with RecordReader(entry.mirror) as records:
                    own_tuner = records.experiment().config.get("tuner", {}).get("className") is not None
                changes["searchSpace"] = read_search_space(search_space, checked=not own_tuner)
            await send_request(entry, head, "update", payload=changes)

    asyncio.run(updating())
    say(f"Experiment {entry.experiment_id} is being changed: {', '.join(changes)}.")
