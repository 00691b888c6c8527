"""The commands that change an experiment while it runs: update, import, trials add."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Sized
from pathlib import Path
from typing import Annotated, Any

import typer

from ray_remote_nni.cli.experiment import ExperimentArgument
from ray_remote_nni.cli.output import ask_secret, say
from ray_remote_nni.config.changes import read_duration, read_search_space
from ray_remote_nni.errors import NotFound, UsageError
from ray_remote_nni.experiment.access import access_cluster
from ray_remote_nni.experiment.added import await_added
from ray_remote_nni.experiment.differences import differences
from ray_remote_nni.experiment.earlier_results import (
    outside,
    read_results,
    results_of,
    told_of_use,
)
from ray_remote_nni.experiment.head import Head
from ray_remote_nni.experiment.logs import own_kinds
from ray_remote_nni.experiment.mirror import read_on
from ray_remote_nni.experiment.registry import ExperimentEntry, find_experiment
from ray_remote_nni.experiment.status import cluster_of, refresh
from ray_remote_nni.experiment.stop import send_request
from ray_remote_nni.records.earlier import new_results
from ray_remote_nni.records.model import EarlierResult, ExperimentRecord, RequestKind
from ray_remote_nni.records.reader import RecordReader
from ray_remote_nni.words import plural

#: So many reasons are enough to see what is wrong.
_REASONS = 3


def register(app: typer.Typer, trials: typer.Typer) -> None:
    """Add these commands; `trials` is the group of those about trials."""
    app.command()(update)
    app.command("import")(import_results)
    trials.command("add")(add_trials)


def update(
    experiment: ExperimentArgument = None,
    concurrency: Annotated[
        int | None, typer.Option("--concurrency", min=1, max=10**9, help="Trials that run at once.")
    ] = None,
    max_trials: Annotated[
        int | None, typer.Option("--max-trials", min=1, max=10**9, help="Limit of their number.")
    ] = None,
    duration: Annotated[str | None, typer.Option("--duration", help="Limit of the whole: 24h.")] = None,
    search_space: Annotated[
        Path | None, typer.Option("--search-space", help="JSON or YAML file of the new search space.")
    ] = None,
) -> None:
    """Change an experiment; resume keeps to it. Trials that run already are left alone."""
    given: dict[str, Any] = {
        "trialConcurrency": concurrency,
        "maxTrialNumber": max_trials,
        "maxExperimentDuration": None if duration is None else read_duration(duration),
    }
    changes = {name: value for name, value in given.items() if value is not None}
    if not changes and search_space is None:
        raise UsageError("Say what to change: --concurrency, --max-trials, --duration or --search-space.")
    entry = find_experiment(experiment)

    told: list[str] = []

    def payload(record: ExperimentRecord) -> list[Any]:
        if search_space is not None:
            tuner = None if _own_tuner(record) else record.config["tuner"]["name"]
            changes["searchSpace"] = read_search_space(search_space, tuner=tuner)
        told.extend(differences(record, changes))
        return [changes]

    runs, _ = _request(entry, "update", payload)
    say(f"Experiment {entry.experiment_id} {'is' if runs else 'will be'} changed: {'; '.join(told)}.")
    if max_trials is not None:
        _say_enough(entry, max_trials)
    _say_when(entry, runs)


def import_results(
    experiment: ExperimentArgument = None,
    file: Annotated[
        Path | None, typer.Option("-f", "--filename", help='JSON: [{"parameter": {…}, "value": 0.9}, …].')
    ] = None,
    source: Annotated[str | None, typer.Option("--from", help="Another experiment, by id or name.")] = None,
) -> None:
    """Have an experiment's tuner learn from earlier results: a file of NNI's or ours, or another experiment."""
    if (file is None) == (source is None):
        raise UsageError("Say where the results are, with one of -f FILE and --from EXPERIMENT.")
    entry = find_experiment(experiment)
    results = _read(file) if file is not None else _results_of(find_experiment(source))
    if not results:
        raise UsageError(f"There are no results in {file or source}.")
    new: list[EarlierResult] = []

    def payload(record: ExperimentRecord) -> list[Any]:
        with RecordReader(entry.mirror) as records:
            new.extend(results[place] for place in new_results(results, results_of(records.trials())))
        return [new] if new else []

    runs, taken = _request(entry, "import", payload)
    _say_left_out(f"they are there twice or are of experiment {entry.experiment_id} itself", new, results)
    learns = [new[place] for place in taken]
    _say_left_out("they were imported before", learns, new)
    if not learns:
        return
    unfit = _say_outside(entry, [result["parameter"] for result in learns])
    does = "learns" if runs else "will learn"
    of_use = told_of_use(len(learns), len(learns) - unfit)
    say(f"The tuner of experiment {entry.experiment_id} {does} from {of_use}.")
    _say_when(entry, runs)


def add_trials(
    experiment: ExperimentArgument = None,
    params: Annotated[
        list[str] | None, typer.Option("--params", help="""A trial's parameters: '{"lr": 0.1}'; may be repeated.""")
    ] = None,
) -> None:
    """Run trials with parameters of your own next. They count as trials, and the tuner learns of them."""
    if not params:
        raise UsageError("""Give the trial's parameters: --params '{"lr": 0.1}'.""")
    chosen = [_parameters(text) for text in params]
    entry = find_experiment(experiment)
    before: set[str] = set()
    ids: list[str] = []

    def payload(record: ExperimentRecord) -> list[Any]:
        with RecordReader(entry.mirror) as records:
            before.update(trial.trial_id for trial in records.trials())
        return chosen

    async def taken(head: Head) -> None:
        ids.extend(await await_added(entry, head, before, chosen))

    runs, _ = _request(entry, "trial", payload, taken)
    _say_outside(entry, chosen)
    names = [f" as trial {trial_id}" for trial_id in ids] or [""] * len(chosen)
    added = ", ".join(json.dumps(parameters) + name for parameters, name in zip(chosen, names, strict=True))
    say(f"Next in experiment {entry.experiment_id}: {added}.")
    _say_when(entry, runs)


def _request(
    entry: ExperimentEntry,
    kind: RequestKind,
    payloads: Callable[[ExperimentRecord], list[Any]],
    then: Callable[[Head], Awaitable[None]] | None = None,
) -> tuple[bool, list[int]]:
    """Ask an experiment's driver for something, once for each payload: the one that runs, or the next.

    Returns whether one runs, and what `send_request` returned; `then` is done where it does.
    """
    access = access_cluster(cluster_of(entry, to_change=True), ask_secret)

    async def asking() -> tuple[bool, list[int]]:
        async with access.head() as head:
            pulse = await read_on(entry, head)
            if pulse is None:
                raise NotFound(f"{head.machine.host} has no records of experiment {entry.experiment_id}.")
            with RecordReader(entry.mirror) as records:
                record = records.experiment()
            taken: list[int] = []
            for payload in payloads(record):
                taken += await send_request(entry, head, kind, payload=payload)
            if then is not None and pulse.running:
                await then(head)
            return pulse.running, taken

    return asyncio.run(asking())


def _say_left_out(why: str, kept: Sized, results: Sized) -> None:
    if len(kept) < len(results):
        say(f"Left out, since {why}: {len(results) - len(kept)} of {plural(len(results), 'result')}.")


def _say_when(entry: ExperimentEntry, runs: bool) -> None:
    if not runs:
        say(f"It does not run now; that takes effect with: ray-nni resume {entry.experiment_id}")


def _say_enough(entry: ExperimentEntry, most: int) -> None:
    """Say where there are as many trials already as there may be now."""
    with RecordReader(entry.mirror) as records:
        ended, counts = records.ended(), records.counts()
    others = sum(counts.values()) - ended
    if ended + others >= most:
        more = f", and {plural(others, 'other')} began" if others else ""
        say(
            f"{plural(ended, 'trial')} {'has' if ended == 1 else 'have'} ended already{more}: no new one starts.",
            "yellow",
        )


def _own_tuner(record: ExperimentRecord) -> bool:
    return "tuner" in own_kinds(record.config)


def _say_outside(entry: ExperimentEntry, configurations: list[dict[str, Any]]) -> int:
    """Say which of these are none of the search space; return how many."""
    with RecordReader(entry.mirror) as records:
        record = records.experiment()
    if _own_tuner(record):
        # Its search space is its own to read.
        return 0
    why = list(dict.fromkeys(found := outside(record.search_space, configurations)))
    if found:
        what = "It lies" if len(configurations) == 1 else f"{len(found)} of {len(configurations)} lie"
        reasons = "; ".join(why[:_REASONS]) + ("; …" if len(why) > _REASONS else "")
        say(f"{what} outside the search space, where the tuner learns nothing ({reasons}).", "yellow")
    return len(found)


def _read(file: Path) -> list[EarlierResult]:
    try:
        text = file.read_text(encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{file} cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{file} cannot be read: it is not UTF-8 text.") from error
    return read_results(text, str(file))


def _results_of(entry: ExperimentEntry) -> list[EarlierResult]:
    trouble = asyncio.run(refresh(entry, ask_secret))
    if trouble is not None:
        say(f"{trouble} These are its results as they were last seen.", "yellow")
    if not entry.mirror.exists():
        return []
    with RecordReader(entry.mirror) as records:
        return results_of(records.trials())


def _parameters(text: str) -> dict[str, Any]:
    try:
        parameters = json.loads(text)
    except ValueError as error:
        raise UsageError(f"--params {text} is not JSON: {error}. Write it as in '{{\"lr\": 0.1}}'.") from error
    if not isinstance(parameters, dict):
        raise UsageError(f'--params {text}: a trial\'s parameters are an object, such as {{"lr": 0.1}}.')
    return parameters
