"""The commands that read records: show, trials, logs, export."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from enum import Enum
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from ray_remote_nni.cli.cluster import JsonOption
from ray_remote_nni.cli.experiment import ExperimentArgument
from ray_remote_nni.cli.output import OUT, ask_secret, print_json, say
from ray_remote_nni.errors import NotFound, UsageError
from ray_remote_nni.experiment.logs import Stream, algorithm_log, own_kinds, trial_output
from ray_remote_nni.experiment.registry import ExperimentEntry, experiments_with, find_experiment
from ray_remote_nni.experiment.status import await_records, refresh
from ray_remote_nni.records.model import TrialRecord
from ray_remote_nni.records.reader import RecordReader
from ray_remote_nni.records.shapes import experiment_json, trials_json
from ray_remote_nni.views.export import export_csv, export_json
from ray_remote_nni.views.tables import print_experiment, print_trials


class Format(str, Enum):
    """The file formats of `export`."""

    json = "json"
    csv = "csv"


class _ListUnlessTold(TyperGroup):
    """A group of commands in which `list` may be left out: `trials` and `trials ID` list."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Put the name of the command there, unless help on the group is wanted."""
        if not args or (args[0] not in self.commands and args[0] not in ctx.help_option_names):
            args = ["list", *args]
        return super().parse_args(ctx, args)


_TRIALS_HELP = (
    "List the trials of an experiment, or add some.\n\n"
    "EXPERIMENT is its id or name; left out: the latest one. --json prints one JSON document on stdout. "
    "That is what list does, whose name may be left out."
)


def register(app: typer.Typer) -> typer.Typer:
    """Add these commands; return the group of those about trials."""
    app.command()(show)
    group = typer.Typer(cls=_ListUnlessTold, subcommand_metavar="[EXPERIMENT] [--json] | add …")
    group.command("list")(trials)
    app.add_typer(group, name="trials", help=_TRIALS_HELP)
    app.command()(logs)
    app.command()(export)
    return group


def show(experiment: ExperimentArgument = None, as_json: JsonOption = False) -> None:
    """Show an experiment: its state, its trials by state, the best one."""
    with _records(experiment) as (_, records):
        if as_json:
            print_json(experiment_json(records))
        else:
            print_experiment(OUT, records)


def trials(experiment: ExperimentArgument = None, as_json: JsonOption = False) -> None:
    """List the trials of an experiment."""
    with _records(experiment) as (_, records):
        if as_json:
            print_json(trials_json(records))
        else:
            print_trials(OUT, records.trials())


def logs(
    trial: Annotated[
        str, typer.Argument(metavar="TRIAL", help="Its id; or tuner or assessor, for what a class of your own printed.")
    ],
    experiment: Annotated[
        str | None, typer.Option("--experiment", help="Its experiment; default: the latest, else the one that has it.")
    ] = None,
    stdout: Annotated[bool, typer.Option("--stdout", help="Only standard output.")] = False,
    stderr: Annotated[bool, typer.Option("--stderr", help="Only standard error.")] = False,
    follow: Annotated[bool, typer.Option("-f", "--follow", help="Go on until the trial ends.")] = False,
) -> None:
    """Print what a trial printed, as bytes."""
    streams: list[Stream] = ["stdout", "stderr"]
    if stdout != stderr:
        streams = ["stdout"] if stdout else ["stderr"]
    if trial == "tuner" or trial == "assessor":
        with _records(experiment) as (entry, records):
            if trial not in own_kinds(records.experiment().config):
                raise NotFound(f"Experiment {entry.experiment_id} has no {trial} of your own: others print nothing.")
        parts = algorithm_log(entry, trial, ask_secret, follow=follow)
    else:
        entry, record = _find_trial(trial, experiment)
        parts = trial_output(entry, record, streams, ask_secret, follow=follow)
    for part in parts:
        sys.stdout.buffer.write(part)
        sys.stdout.buffer.flush()


def export(
    experiment: ExperimentArgument = None,
    kind: Annotated[Format, typer.Option("-t", "--type", help="The file's format.")] = Format.json,
    file: Annotated[Path | None, typer.Option("-f", "--filename", help="Write there; default: stdout.")] = None,
    intermediate: Annotated[bool, typer.Option("--intermediate", help="With the intermediate results.")] = False,
) -> None:
    """Write parameters and results of all trials that have one."""
    with _records(experiment) as (_, records):
        text = (export_json if kind is Format.json else export_csv)(records, intermediate)
    text = text if text.endswith("\n") else text + "\n"
    if file is None:
        sys.stdout.write(text)
    else:
        try:
            file.write_text(text, encoding="utf-8")
        except OSError as error:
            raise UsageError(f"{file} cannot be written: {error.strerror}.") from error
        say(f"Written to {file}")


def _find_trial(trial: str, experiment: str | None) -> tuple[ExperimentEntry, TrialRecord]:
    """Return a trial of this experiment; for None, of the latest one, or of the only other one that has it."""
    try:
        with _records(experiment) as (entry, records):
            return entry, records.trial(trial)
    except NotFound:
        others = [] if experiment is not None else [entry.experiment_id for entry in experiments_with(trial)]
        if not others:
            raise
    if len(others) > 1:
        raise NotFound(
            f"Several experiments have a trial {trial}: {', '.join(others)}. "
            f"Say which: ray-nni logs {trial} --experiment {others[0]}"
        )
    say(f"Trial {trial} is one of experiment {others[0]}.")
    with _records(others[0]) as (entry, records):
        return entry, records.trial(trial)


@contextmanager
def _records(experiment: str | None) -> Iterator[tuple[ExperimentEntry, RecordReader]]:
    """Open the mirror of an experiment, brought up to date where its cluster is up."""
    entry = find_experiment(experiment)
    trouble = asyncio.run(refresh(entry, ask_secret))
    if trouble is not None:
        say(f"{trouble} This is how it was when it was last seen.", "yellow")
    if trouble is None and not entry.mirror.exists():
        # It was started a moment ago: its driver is just making them.
        asyncio.run(await_records(entry, ask_secret))
    if not entry.mirror.exists():
        raise NotFound(f"Experiment {entry.experiment_id} has no records here yet.")
    with RecordReader(entry.mirror) as records:
        yield entry, records
