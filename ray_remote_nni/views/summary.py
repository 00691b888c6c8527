"""What a run ends with: how it went, the best trial with its parameters, and how to get at everything else."""

from __future__ import annotations

import time
from pathlib import Path

from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from ray_remote_nni.records import RecordReader, TrialRecord
from ray_remote_nni.views.format import clean, flatten, one_line, scalar, whole_duration
from ray_remote_nni.views.layout import Rows, unbroken
from ray_remote_nni.views.output import show
from ray_remote_nni.views.snapshot import Snapshot, elapsed_s, take_snapshot, trial_title
from ray_remote_nni.views.states import counts_text, experiment_status_text


def final_summary(console: Console, reader: RecordReader, now: float | None = None) -> None:
    """Print how the experiment went, and its best trial with its parameters whole: a run's result, so on stdout.

    For an experiment that still runs it says how far it has come.
    """
    with reader.snapshot():
        snapshot = take_snapshot(reader)
        failed = last_failure(reader) if snapshot.counts.get("FAILED") else None
    parts: list[RenderableType] = [_outcome(snapshot, time.time() if now is None else now)]
    if snapshot.experiment.error:
        parts.append(Text(clean(snapshot.experiment.error), style="red"))
    if snapshot.best is not None:
        parts += ["", *best_trial(snapshot.best, snapshot.experiment.optimize_mode)]
    elif snapshot.ended:
        parts.append("No trial succeeded with a value, so there is no best one.")
    if failed is not None:
        parts += ["", _failure(failed)]
    show(console, Group(*parts))


def next_steps(
    console: Console,
    experiment_id: str,
    best_trial_id: str | None = None,
    directory: Path | None = None,
    failed_trial_id: str | None = None,
) -> None:
    """Print the commands for everything else, for the eye, so on stderr; `directory` is where the records are kept.

    `failed_trial_id` is that of the last one that failed: without a best trial, its output is what helps.
    """
    commands = [(f"ray-nni trials {experiment_id}", "every trial")]
    if best_trial_id is not None or failed_trial_id is None:
        commands.append((f"ray-nni export {experiment_id} -t csv -f {experiment_id}.csv", "results as a table"))
    for trial_id, which in ((best_trial_id, "best"), (failed_trial_id if best_trial_id is None else None, "failed")):
        if trial_id is not None:
            logs = f"ray-nni logs {trial_id} --experiment {experiment_id}"
            commands.append((logs, f"what the {which} trial printed"))
    grid = Table.grid(padding=(0, 3))
    grid.add_column(no_wrap=True, overflow="fold")
    grid.add_column(style="dim")
    for command, purpose in commands:
        grid.add_row(Text(command), purpose)
    show(console, Padding(grid, (1, 0, 0, 0)))
    if directory is not None:
        show(console, Text(f"Kept in {directory}", no_wrap=True, overflow="ignore"))


def best_trial(trial: TrialRecord, optimize_mode: str) -> list[RenderableType]:
    """Return the best trial as lines: its value, and each of its parameters with all digits."""
    title = Text.assemble(
        ("Best ", "bold"), (scalar(trial.value), "bold green"), f" ({optimize_mode}), {trial_title(trial)}"
    )
    parameters = flatten(trial.parameters).items()
    rows = [(Text(one_line(name)), Text(one_line(scalar(value)))) for name, value in parameters]
    return [title, Rows(rows, indent=2)]


def _outcome(snapshot: Snapshot, now: float) -> Text:
    experiment = snapshot.experiment
    text = Text.assemble("Experiment ", (experiment.id, "bold"))
    if experiment.name:
        text.append(f" ({one_line(experiment.name)})")
    text.append(" is ")
    text.append_text(experiment_status_text(experiment.status))
    text.append(f" {'after' if experiment.ended else 'for'} {whole_duration(elapsed_s(snapshot, now))}: ", "default")
    text.append_text(counts_text(snapshot.counts, over=experiment.ended) if snapshot.counts else Text("no trial"))
    return text


def last_failure(reader: RecordReader) -> TrialRecord | None:
    """Return the trial that failed last."""
    failed = [trial for trial in reader.finished_for_replay() if trial.status == "FAILED"]
    return failed[-1] if failed else None


def _failure(trial: TrialRecord) -> RenderableType:
    text = Text.assemble(("Last failure: ", "bold red"), trial_title(trial))
    if trial.exit_code is not None:
        text.append(f", exit code {trial.exit_code}")
    lines = clean(trial.error or "").strip()
    if not lines or lines == f"exit code {trial.exit_code}":
        return text
    return Group(text, unbroken(lines, indent=2))
