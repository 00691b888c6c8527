"""The commands that start, watch and end experiments: run, attach, resume, stop, kill."""

from __future__ import annotations

import asyncio
import shlex
from pathlib import Path
from typing import Annotated

import typer

from ray_remote_nni.cli.cluster import AcceptOption, ConfigArgument, JsonOption, config_or_latest
from ray_remote_nni.cli.output import (
    ERR,
    INTERRUPTED,
    OUT,
    Interrupted,
    ask_secret,
    machine_rows,
    print_json,
    say,
    say_problem,
    warn,
)
from ray_remote_nni.cli.start import start
from ray_remote_nni.cli.upload import UploadBar
from ray_remote_nni.cluster.login import has_user
from ray_remote_nni.cluster.request import request_cluster
from ray_remote_nni.config import advise_run, load_config
from ray_remote_nni.errors import ClusterError, NotFound
from ray_remote_nni.experiment.access import access_cluster, latest_cluster
from ray_remote_nni.experiment.attach import DriverDied
from ray_remote_nni.experiment.attach import attach as attach_to
from ray_remote_nni.experiment.mirror import read_on
from ray_remote_nni.experiment.registry import ExperimentEntry, find_experiment
from ray_remote_nni.experiment.run import (
    NothingLeft,
    RunningExperiment,
    finish_experiment,
    resume_experiment,
)
from ray_remote_nni.experiment.status import cluster_of, refresh
from ray_remote_nni.experiment.stop import send_request, stop_experiment
from ray_remote_nni.records.model import ExperimentRecord, ExperimentStatus, TrialRecord
from ray_remote_nni.records.reader import RecordReader
from ray_remote_nni.records.shapes import experiment_json
from ray_remote_nni.views.live import LiveView
from ray_remote_nni.views.snapshot import take_snapshot
from ray_remote_nni.views.summary import final_summary, last_failure, next_steps
from ray_remote_nni.words import plural

ExperimentArgument = Annotated[
    str | None, typer.Argument(metavar="EXPERIMENT", help="Its id or name; left out: the latest one.")
]
DetachOption = Annotated[bool, typer.Option("--detach", help="Return at once; the experiment goes on.")]


def register(app: typer.Typer) -> None:
    """Add these commands."""
    app.command()(run)
    app.command()(attach)
    app.command()(resume)
    app.command()(stop)
    app.command()(kill)


def run(
    config: ConfigArgument = None,
    detach: DetachOption = False,
    as_json: JsonOption = False,
    accept_new_host_keys: AcceptOption = False,
) -> None:
    """Run an experiment and show it live until it ends; bring its cluster up first if there is none."""
    loaded = load_config(config_or_latest(config), has_user=has_user)
    warn(loaded)
    for problem in advise_run(loaded):
        say_problem(problem)
    request = request_cluster(loaded.path, loaded.experiment, accept_new_host_keys=accept_new_host_keys, ask=ask_secret)
    running = start(loaded, request)
    if detach:
        _say_detached(running)
        if as_json:
            print_json({"experiment": running.entry.experiment_id, "status": "RUNNING"})
        return
    _watch(running, as_json)


def attach(experiment: ExperimentArgument = None, as_json: JsonOption = False) -> None:
    """Show a running experiment live until it ends."""
    entry = find_experiment(experiment)
    access = access_cluster(cluster_of(entry), ask_secret)
    _watch(RunningExperiment(entry, access, own=False), as_json)


def resume(experiment: ExperimentArgument = None, detach: DetachOption = False, as_json: JsonOption = False) -> None:
    """Go on with an experiment that was stopped or whose driver died: interrupted trials run again."""
    entry = find_experiment(experiment)
    access = access_cluster(cluster_of(entry, or_else=latest_cluster), ask_secret)
    try:
        with UploadBar(ERR) as bar:
            entry, ended = asyncio.run(resume_experiment(entry, access, say, bar.show))
    except NothingLeft as left:
        say(str(left), "yellow")
        if not detach:
            _watch(RunningExperiment(entry, access, own=False), as_json)
        return
    running = RunningExperiment(entry, access, own=False)
    if detach:
        _say_detached(running)
        return
    _watch(running, as_json, ended_before=ended)


def stop(experiment: ExperimentArgument = None) -> None:
    """Stop a running experiment; resume goes on with it."""
    entry = find_experiment(experiment)
    access = access_cluster(cluster_of(entry), ask_secret)

    async def stopping() -> ExperimentStatus | None:
        async with access.head() as head:
            pulse = await stop_experiment(entry, head)
            return pulse.status if pulse is not None else None

    status = asyncio.run(stopping())
    if status == "RUNNING":
        raise ClusterError(
            f"Experiment {entry.experiment_id} did not stop: its driver does not answer. "
            f"It can be taken up again: ray-nni resume {entry.experiment_id}"
        )
    say(f"Experiment {entry.experiment_id} is {status or 'without records'}.")


def kill(
    trial: Annotated[str, typer.Argument(metavar="TRIAL", help="Its id.")],
    experiment: Annotated[str | None, typer.Option("--experiment", help="Its experiment; default: the latest.")] = None,
) -> None:
    """End one running or waiting trial; it is not repeated."""
    entry = find_experiment(experiment)
    access = access_cluster(cluster_of(entry), ask_secret)

    async def killing() -> tuple[TrialRecord, bool]:
        async with access.head() as head:
            pulse = await read_on(entry, head)
            if pulse is None:
                raise NotFound(f"{head.machine.host} has no records of experiment {entry.experiment_id}.")
            with RecordReader(entry.mirror) as records:
                record = records.trial(trial)
            if not record.ended:
                await send_request(entry, head, "kill", trial)
            return record, pulse.running

    record, runs = asyncio.run(killing())
    if record.ended:
        say(f"Trial {trial} is {record.status} already.")
    elif runs:
        say(f"Trial {trial} is being killed.")
    else:
        resume = f"ray-nni resume {entry.experiment_id}"
        say(f"Trial {trial} waits, as its experiment does not run; it will end without running again, with: {resume}")


def _watch(running: RunningExperiment, as_json: bool, ended_before: int | None = None) -> None:
    """Watch an experiment to its end, then bring the rest of its results here and print the best.

    `ended_before` is how many trials had ended before it was resumed: where none has since, that is said.
    """
    entry = running.entry
    report = machine_rows()
    try:
        status = _attach(running)
    except KeyboardInterrupt:
        _interrupted(running)
    except DriverDied:
        _show_what_is_left(running, as_json)
        raise
    missing = asyncio.run(finish_experiment(running, report, stop=False))
    for error in missing:
        say(str(error), "yellow")
    _print_result(entry, as_json)
    with RecordReader(entry.mirror) as records:
        succeeded = records.best() is not None
        if status == "DONE" and take_snapshot(records).ended == ended_before:
            _say_nothing_left(records.experiment(), ended_before)
    raise typer.Exit(0 if succeeded and status != "ERROR" else 1)


def _show_what_is_left(running: RunningExperiment, as_json: bool) -> None:
    """Print how far an experiment came whose driver died, and that its cluster waits for what is done about it."""
    entry = running.entry
    asyncio.run(refresh(entry, ask_secret))
    if entry.mirror.exists():
        _print_result(entry, as_json)
    if running.own:
        say("The cluster that was brought up for it stays, for you to look and to go on; to end it: ray-nni down")


def _say_nothing_left(experiment: ExperimentRecord, ended: int) -> None:
    most = experiment.max_trial_number
    used_up = most is not None and ended >= most
    enough = f"it has had {plural(ended, 'trial')}, as many as maxTrialNumber allows"
    why = enough if used_up else "its time or its search space is used up"
    more = "--max-trials N" if used_up else "--duration TIME (or --search-space FILE)"
    say(
        f"There was nothing left to do: {why}. For more: ray-nni update {experiment.id} {more}, "
        f"then ray-nni resume {experiment.id}",
        "yellow",
    )


def _attach(running: RunningExperiment) -> ExperimentStatus:
    entry = running.entry
    with LiveView(ERR, dashboard=running.access.state.dashboard_url) as view:

        def changed() -> None:
            with RecordReader(entry.mirror) as records:
                view.update(records)

        return asyncio.run(attach_to(entry, running.access, changed, lambda trouble: view.note(trouble or None)))


def _interrupted(running: RunningExperiment) -> None:
    """Ctrl-C: leave alone what was there before, end what this command started; say which."""
    entry = running.entry
    if not running.own:
        say(f"Detached. Experiment {entry.experiment_id} goes on; watch it: ray-nni attach {entry.experiment_id}")
        raise typer.Exit(INTERRUPTED)
    say(f"Stopping experiment {entry.experiment_id} and the cluster that was brought up for it …")
    try:
        asyncio.run(finish_experiment(running, machine_rows(), stop=True))
    except KeyboardInterrupt as error:
        what = f"Interrupted before all was stopped. To stop the rest: ray-nni down {shlex.quote(entry.config)}"
        raise Interrupted(what) from error
    say(
        f"Stopped. What ended is kept: ray-nni show {entry.experiment_id}. To go on: ray-nni up {entry.config}, then "
        f"ray-nni resume {entry.experiment_id}"
    )
    raise typer.Exit(INTERRUPTED)


def _print_result(entry: ExperimentEntry, as_json: bool) -> None:
    with RecordReader(entry.mirror) as records:
        if as_json:
            print_json(experiment_json(records))
            return
        final_summary(OUT, records)
        best, failed = records.best(), last_failure(records)
    next_steps(
        ERR,
        entry.experiment_id,
        best.trial_id if best else None,
        Path(entry.directory),
        failed.trial_id if failed else None,
    )


def _say_detached(running: RunningExperiment) -> None:
    entry = running.entry
    say(f"Experiment {entry.experiment_id} runs. Watch it: ray-nni attach {entry.experiment_id}")
    if running.own:
        say(f"Its cluster {running.access.state.name} stays up until: ray-nni down")
