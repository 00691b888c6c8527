"""Tables for people: the trials of an experiment, an experiment in full, clusters and experiments at a glance."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console, Group, JustifyMethod, RenderableType
from rich.table import Table
from rich.text import Text

from ray_remote_nni.records import ExperimentRecord, RecordReader, TrialRecord
from ray_remote_nni.records.shapes import machine_of, parse_time
from ray_remote_nni.views.format import (
    clean,
    duration,
    flatten,
    number,
    one_line,
    parameters_line,
    place,
    scalar,
    whole_duration,
)
from ray_remote_nni.views.layout import Columns, Rows
from ray_remote_nni.views.notices import notice_block
from ray_remote_nni.views.output import fits, show
from ray_remote_nni.views.snapshot import elapsed_s, take_snapshot
from ray_remote_nni.views.states import counts_text, experiment_status_text, trial_status_text
from ray_remote_nni.views.summary import best_trial
from ray_remote_nni.words import plural

#: The newest notices that `show` prints.
NOTICES = 20


def print_trials(console: Console, trials: Sequence[TrialRecord], now: float | None = None) -> None:
    """Print a line for each trial, in the order given.

    Each parameter has its column where that fits into the terminal; else they share one and are cut at its edge.
    """
    if not trials:
        show(console, Text("There are no trials yet."))
        return
    now = time.time() if now is None else now
    flat = [flatten(trial.parameters) for trial in trials]
    names = list(dict.fromkeys(name for parameters in flat for name in parameters))
    cells = [[number(parameters[name]) if name in parameters else "" for name in names] for parameters in flat]
    table = _trials(trials, now, names, cells)
    if not fits(console, table):
        lines = [[parameters_line(trial.parameters)] for trial in trials]
        table = _trials(trials, now, ["parameters"], lines, machine_width=max(15, console.width // 6))
        table.expand = True
        table.columns[-1].ratio = 1
    show(console, table)


def print_experiment(console: Console, reader: RecordReader, now: float | None = None) -> None:
    """Print all there is to say of an experiment but its single trials."""
    now = time.time() if now is None else now
    with reader.snapshot():
        snapshot = take_snapshot(reader, notices=NOTICES)
        machines = reader.machines()
    experiment, config = snapshot.experiment, snapshot.experiment.config
    state = experiment_status_text(experiment.status)
    state.append(f" {'after' if experiment.ended else 'for'} {whole_duration(elapsed_s(snapshot, now))}", "default")
    trials = counts_text(snapshot.counts, over=experiment.ended)
    if experiment.max_trial_number is not None:
        of_them = f" of {experiment.max_trial_number}" if snapshot.ended <= experiment.max_trial_number else ""
        trials.append(f" ({snapshot.ended}{of_them} ended)", style="default")
    rows: list[tuple[str, Text | str]] = [
        ("Experiment", Text.assemble((experiment.id, "bold"), f" {one_line(experiment.name or '')}".rstrip())),
        ("Status", state),
        ("Started", _moment(experiment.start_time)),
        ("Ended", _moment(experiment.end_time)),
        ("Error", Text(clean(experiment.error or ""), style="red")),
        ("Trials", trials),
        ("Machines", ", ".join(f"{one_line(host)} ({plural(count, 'trial')})" for host, count in machines.items())),
        ("Command", clean(str(config.get("trialCommand") or ""))),
        ("At once", plural(experiment.trial_concurrency, "trial")),
        ("Limits", _limits(experiment)),
        ("Tuner", _tuner(config, experiment.optimize_mode, experiment.seed)),
        ("Assessor", _assessor(config)),
        ("To go on", f"ray-nni resume {experiment.id}" if experiment.status in ("STOPPED", "ERROR") else ""),
    ]
    given = [(Text(label, style="dim"), value if isinstance(value, Text) else Text(value)) for label, value in rows]
    parts: list[RenderableType] = [Rows([row for row in given if row[1]])]
    if snapshot.best is not None:
        parts += ["", *best_trial(snapshot.best, experiment.optimize_mode)]
    if snapshot.notices:
        parts += ["", Text("Latest notices", style="bold")]
        parts += [notice_block(notice) for notice in snapshot.notices]
    show(console, Group(*parts))


def print_status(console: Console, status: Mapping[str, Any]) -> None:
    """Print what `status --json` holds: {"clusters": [...], "experiments": [...]}."""
    clusters, experiments = status["clusters"], status["experiments"]
    parts: list[RenderableType] = [_clusters(clusters) if clusters else Text("No cluster is up.")]
    parts += ["", _experiments(experiments) if experiments else Text("There are no experiments yet.")]
    show(console, Group(*parts))


def _clusters(clusters: Sequence[Mapping[str, Any]]) -> Columns:
    rows = []
    for cluster in clusters:
        title = [one_line(str(cluster["name"])), str(cluster["status"]), one_line(str(cluster.get("config", "")))]
        for machine in cluster["machines"] or [{"host": cluster["head"]}]:
            at = machine["host"], machine.get("port")
            host = one_line(place(*at)) + (" (head)" if at == (cluster["head"], cluster.get("headPort")) else "")
            running = machine.get("runningTrials")
            cells = [*title, host, str(machine.get("status", "–")), "–" if running is None else str(running)]
            rows.append([Text(cell) for cell in cells])
            title = ["", "", ""]
    return Columns(("cluster", "status", "config", "machine", "machine's status", "running trials"), rows)


def _experiments(experiments: Sequence[Mapping[str, Any]]) -> Table:
    table = _table()
    table.add_column("experiment", no_wrap=True)
    table.add_column("name", overflow="fold")
    for name in ("status", "started", "trials"):
        table.add_column(name, no_wrap=True)
    table.add_column("best", justify="right", no_wrap=True)
    for experiment in experiments:
        best = experiment["best"]
        table.add_row(
            Text(str(experiment["experiment"])),
            Text(one_line(experiment["name"] or "")),
            experiment_status_text(experiment["status"]),
            Text(_moment(parse_time(experiment["startTime"]))[:16]),
            _few_counts(experiment["trials"]),
            Text(number(None if best is None else best["value"])),
        )
    return table


def _trials(
    trials: Sequence[TrialRecord],
    now: float,
    names: list[str],
    parameters: list[list[str]],
    machine_width: int | None = None,
) -> Table:
    table = _table()
    for name in ("#", "trial", "status", "value", "time"):
        justify: JustifyMethod = "right" if name in ("#", "value", "time") else "left"
        table.add_column(name, justify=justify, no_wrap=True)
    table.add_column("machine", no_wrap=True, overflow="ellipsis", max_width=machine_width)
    for name in names:
        table.add_column(Text(one_line(name)), no_wrap=True, overflow="ellipsis")
    for trial, values in zip(trials, parameters, strict=True):
        table.add_row(
            str(trial.sequence),
            Text(clean(trial.trial_id)),
            trial_status_text(trial.status),
            Text(number(trial.value)),
            duration(_taken_s(trial, now)),
            Text(one_line(place(*machine_of(trial)))),
            *(Text(one_line(value)) for value in values),
        )
    return table


def _few_counts(counts: Mapping[str, int]) -> Text:
    text = Text(str(sum(counts.values())))
    if counts.get("FAILED"):
        text.append(f", {counts['FAILED']} failed", style="red")
    return text


def _table() -> Table:
    return Table(box=None, pad_edge=False, header_style="bold")


def _taken_s(trial: TrialRecord, now: float) -> float | None:
    if trial.start_time is None:
        return None
    return (now if trial.end_time is None else trial.end_time) - trial.start_time


def _tuner(config: Mapping[str, Any], optimize_mode: str, seed: int | None) -> str:
    tuner = config.get("tuner") or {}
    name = tuner.get("name") or tuner.get("className") or ""
    return f"{name} {optimize_mode}{'' if seed is None else f', seed {seed}'}".strip()


def _limits(experiment: ExperimentRecord) -> str:
    config, number_ = experiment.config, experiment.max_trial_number
    parts = [] if number_ is None else [plural(number_, "trial")]
    for field, what in (("maxExperimentDuration", "for all"), ("maxTrialDuration", "for a trial")):
        limit = config.get(field)
        if limit is not None:
            # Text as in a configuration, or what `update` made of it.
            parts.append(f"{limit if isinstance(limit, str) else whole_duration(limit)} {what}")
    return ", ".join(parts) or "none"


def _assessor(config: Mapping[str, Any]) -> str:
    assessor = config.get("assessor") or {}
    if assessor.get("name") is None:
        return str(assessor.get("className") or "")
    arguments = [f"{name} {one_line(scalar(value))}" for name, value in (assessor.get("classArgs") or {}).items()]
    return ", ".join([str(assessor["name"]), *arguments])


def _moment(seconds: float | None) -> str:
    # Local time, as on the reader's wall.
    return "" if seconds is None else time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(seconds))
