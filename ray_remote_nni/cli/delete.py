"""The command that deletes an experiment."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Annotated

import typer

from ray_remote_nni.cli.output import ask_secret, say
from ray_remote_nni.errors import ClusterError, RayNniError, UsageError
from ray_remote_nni.experiment.access import access_cluster, cluster_named, read_request
from ray_remote_nni.experiment.delete import delete_from_machines, delete_here
from ray_remote_nni.experiment.mirror import catch_up
from ray_remote_nni.experiment.registry import ExperimentEntry, all_experiments, find_experiment


def register(app: typer.Typer) -> None:
    """Add this command."""
    app.command()(delete)


def delete(
    experiment: Annotated[str, typer.Argument(metavar="EXPERIMENT", help="Its id or name.")],
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Delete it here even where a machine is gone.")] = False,
) -> None:
    """Delete an ended experiment for good: its records, and its trials' folders on all machines."""
    entry = find_experiment(experiment)
    same = [other.experiment_id for other in all_experiments() if experiment == other.name]
    if experiment != entry.experiment_id and len(same) > 1:
        raise UsageError(f"{len(same)} experiments are called {experiment}: {', '.join(same)}. Give the id.")
    asyncio.run(_refuse_running(entry, force))
    if not yes:
        if not sys.stdin.isatty():
            raise UsageError(f"To delete experiment {entry.experiment_id} without being asked, pass --yes.")
        typer.confirm(f"Delete experiment {entry.experiment_id} and all results in {entry.directory}?", abort=True)
    for error in _delete_from_machines(entry):
        if not force:
            raise ClusterError(f"{error} It is kept here; to delete it all the same: --force")
        say(f"{error} What is there is left.", "yellow")
    delete_here(entry)
    say(f"Experiment {entry.experiment_id} is deleted.")


async def _refuse_running(entry: ExperimentEntry, force: bool) -> None:
    state = cluster_named(entry.cluster)
    if state is None:
        return
    try:
        async with access_cluster(state, ask_secret).head() as head:
            pulse = await catch_up(entry, head)
    except RayNniError:
        if not force:
            raise
        return
    if pulse is not None and pulse.running:
        raise UsageError(
            f"Experiment {entry.experiment_id} is running. Stop it first: ray-nni stop {entry.experiment_id}"
        )


def _delete_from_machines(entry: ExperimentEntry) -> list[RayNniError]:
    try:
        return [*asyncio.run(delete_from_machines(entry, read_request(Path(entry.config), ask_secret)))]
    except RayNniError as error:
        return [error]
