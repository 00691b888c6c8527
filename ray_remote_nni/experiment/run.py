"""What the commands do, without how they look: bring up, run, attach, resume, stop, take down."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ray_remote_nni.cluster.bringup import BroughtUp, bring_up
from ray_remote_nni.cluster.leaving import without_stranded
from ray_remote_nni.cluster.membership import find_cluster
from ray_remote_nni.cluster.node import node_runs
from ray_remote_nni.cluster.request import ClusterRequest
from ray_remote_nni.cluster.state import ClusterState, MachineState
from ray_remote_nni.cluster.teardown import take_down
from ray_remote_nni.cluster.together import MachinesFailed
from ray_remote_nni.cluster.transport import Transport
from ray_remote_nni.config import ExperimentConfig, LoadedConfig, Problem
from ray_remote_nni.errors import ClusterError, MachineError, NotFound, UsageError
from ray_remote_nni.experiment.access import ClusterAccess
from ray_remote_nni.experiment.attach import check_job
from ray_remote_nni.experiment.head import Head
from ray_remote_nni.experiment.mirror import catch_up, pull_outputs, read_on
from ray_remote_nni.experiment.registry import ExperimentEntry, all_experiments
from ray_remote_nni.experiment.renew import renew_code
from ray_remote_nni.experiment.stop import stop_experiment
from ray_remote_nni.experiment.submit import check_results_folder, machine_specs, start_driver, submit
from ray_remote_nni.experiment.upload import Sent
from ray_remote_nni.records.reader import RecordReader
from ray_remote_nni.words import plural

_TAKEOVER_POLL_S = 0.5
#: `report(host, what)`: something happened on a machine that a person wants to see.
Report = Callable[[str, str], None]


@dataclass(frozen=True)
class RunningExperiment:
    """An experiment that was started, and its cluster; `own` if that was brought up for it alone."""

    entry: ExperimentEntry
    access: ClusterAccess
    own: bool


class NothingLeft(UsageError):
    """The experiment that is to be resumed has had as many trials as it may have."""

    def __init__(self, experiment_id: str, ended: int) -> None:
        ran = "its one trial has" if ended == 1 else f"all {ended} trials have"
        super().__init__(
            f"maxTrialNumber is reached: {ran} run; raise it first: "
            f"ray-nni update {experiment_id} --max-trials N, then ray-nni resume {experiment_id}"
        )


@dataclass(frozen=True)
class EndedCluster:
    """A cluster that was taken down: the experiments that were stopped for it, and the machines that failed."""

    stopped: tuple[ExperimentEntry, ...]
    failed: tuple[MachineError, ...]


async def change_cluster(
    request: ClusterRequest,
    config: ExperimentConfig,
    report: Report,
    *,
    allow_partial: bool = False,
    force: bool = False,
) -> BroughtUp:
    """`up`: bring the cluster up, with the machines that are wanted now, to be used as the configuration says.

    Raises UsageError where a machine is to leave on which trials run; with `force` these run again elsewhere.
    """

    async def before_stop(state: ClusterState, nodes: Sequence[MachineState]) -> None:
        access = ClusterAccess(state, request)
        entries = [entry for entry in all_experiments() if entry.cluster == state.name]
        hosts = {node.label for node in nodes}
        async with access.head() as head:
            busy = [trial for entry in entries for trial in await _running_on(hosts, entry, head)]
        if busy and not force:
            raise UsageError(
                f"{plural(len(busy), 'trial')} of a running experiment would lose "
                f"{', '.join(sorted(hosts))}: {', '.join(busy)}. Wait for the end, or have them run again elsewhere: "
                f"ray-nni up {request.config} --force"
            )
        # What ended there is to be had for the last time.
        leaving = dataclasses.replace(state, machines=tuple(nodes))
        for entry in entries:
            for failed in await pull_outputs(entry, leaving, access.connect):
                report(failed.machine, f"warning: the output of its trials stays there: {failed.what}")

    async def before_join(state: ClusterState, connection: Transport) -> None:
        machines = [dataclasses.asdict(machine) for machine in machine_specs(config, state)]
        told = {"directory": state.head.directory, "machines": machines}
        await Head(state, connection).ask("ray_remote_nni.experiment.machines", told)

    return await bring_up(
        request, report, allow_partial=allow_partial, force=force, before_stop=before_stop, before_join=before_join
    )


async def _running_on(hosts: set[str], entry: ExperimentEntry, head: Head) -> list[str]:
    """Return the trials of an experiment that run on these machines now."""
    pulse = await catch_up(entry, head)
    if pulse is None or not pulse.running:
        return []
    with RecordReader(entry.mirror) as records:
        return [trial.trial_id for trial in records.running() if trial.machine in hosts]


async def start_experiment(
    loaded: LoadedConfig,
    request: ClusterRequest,
    report: Report,
    warn: Callable[[Problem], None],
    progress: Callable[[Sent], None],
) -> RunningExperiment:
    """Start an experiment on its cluster, which is brought up if there is none; then it is this experiment's own.

    `warn` is told what is odd about its code, `progress` how the upload of it goes.
    """
    check_results_folder(loaded.experiment.experiment_working_directory)
    known = find_cluster(request)
    # One whose bringing up or taking down broke off is nobody's to come back to.
    own = known is None or known.status != "up"
    state = (await change_cluster(request, loaded.experiment, report)).state
    access = ClusterAccess(state, request)
    try:
        async with access.head() as head:
            entry = await submit(loaded, head, warn, progress)
    except BaseException:
        if own:
            await end_cluster(access, report)
        raise
    return RunningExperiment(entry, access, own)


async def resume_experiment(
    entry: ExperimentEntry, access: ClusterAccess, say: Callable[[str], None], progress: Callable[[Sent], None]
) -> tuple[ExperimentEntry, int]:
    """Start a new driver for an experiment whose driver is gone, and wait until it has taken over.

    Code that has changed here is sent, of which `progress` tells, and used from now on; `say` is told whose it is,
    or why none is sent.
    Returns the experiment, and how many of its trials had ended before.
    Raises UsageError where it runs, NothingLeft where it is DONE and may have no more trials, NotFound where its
    records are not on the head or it never began, RecordsNotRead where they cannot be read, ClusterError where Ray is
    dead on the head, and DriverDied where the new driver fails.
    """
    async with access.head() as head:
        pulse = await read_on(entry, head)
        if pulse is None and not entry.mirror.exists():
            raise NotFound(
                f"Experiment {entry.experiment_id} never began: {head.machine.host} has no records of it. "
                f"Start it anew: ray-nni run {entry.config}, and forget this one: "
                f"ray-nni delete {entry.experiment_id}"
            )
        if pulse is None:
            raise NotFound(
                f"{head.machine.host} has no records of experiment {entry.experiment_id}; "
                f"they are on the head that it ran on. Bring that one up: ray-nni up {entry.config}"
            )
        if pulse.running:
            raise UsageError(
                f"Experiment {entry.experiment_id} is running. Watch it: ray-nni attach {entry.experiment_id}"
            )
        before = _driver(entry)
        with RecordReader(entry.mirror) as records:
            ended = records.ended()
            most = records.experiment().max_trial_number
        # What was asked for since its end, such as a higher limit, is the next driver's to do.
        if pulse.status == "DONE" and not pulse.requests and most is not None and ended >= most:
            raise NothingLeft(entry.experiment_id, ended)
        if not await node_runs(head.connection, head.machine.directory):
            raise ClusterError(
                f"Ray does not run any more on the cluster's head, {head.machine.label}. "
                f"Start it again: ray-nni up {head.state.config}, then ray-nni resume {entry.experiment_id}"
            )
        entry, changed = await renew_code(entry, head, progress, say)
        for kind in changed:
            say(f"The code of your {'trials' if kind == 'trial' else kind} has changed, and is used from now on.")
        entry = await start_driver(entry, head)
        dashboard = await head.dashboard()
        # Until then the records tell of the old driver's end.
        while _driver(entry) == before:
            await asyncio.sleep(_TAKEOVER_POLL_S)
            await catch_up(entry, head)
            await check_job(entry, dashboard)
        return entry, ended


def _driver(entry: ExperimentEntry) -> tuple[int | None, int | None]:
    with RecordReader(entry.mirror) as records:
        experiment = records.experiment()
    return experiment.driver_pid, experiment.driver_start


async def finish_experiment(running: RunningExperiment, report: Report, *, stop: bool) -> list[MachineError]:
    """Bring the rest of the results here, after the end or, with `stop`, after stopping it; return what is missing.

    A cluster of the experiment's own is taken down then, unless another experiment has moved in.
    """
    entry, access = running.entry, running.access
    if stop:
        async with access.head() as head:
            await stop_experiment(entry, head)
    missing = await pull_outputs(entry, access.state, access.connect)
    if running.own:
        if others := await _others_running(entry, access):
            names = ", ".join(other.experiment_id for other in others)
            report(access.state.head.label, f"the cluster stays up for experiment {names}; then type: ray-nni down")
        else:
            await end_cluster(access, report)
    return missing


async def _others_running(entry: ExperimentEntry, access: ClusterAccess) -> list[ExperimentEntry]:
    """Return the other experiments of this client that run on the cluster."""
    others = [
        other
        for other in all_experiments()
        if other.cluster == access.state.name and other.experiment_id != entry.experiment_id
    ]
    if not others:
        return []
    async with access.head() as head:
        return [other for other in others if await _goes_on(other, head)]


async def _goes_on(entry: ExperimentEntry, head: Head) -> bool:
    """Tell whether an experiment runs. While its driver waits for the code it has no records, and Ray knows of it."""
    pulse = await catch_up(entry, head)
    if pulse is not None:
        return pulse.running
    try:
        job = await (await head.dashboard()).job(entry.job)
    except ClusterError:
        return False
    return job["status"] in ("PENDING", "RUNNING")


async def end_cluster(access: ClusterAccess, report: Report, *, force: bool = False) -> EndedCluster:
    """`down`: stop what runs, mirror what is missing, stop the cluster.

    Raises ClusterError where a machine cannot be reached, after all others were stopped; `force` forgets the cluster
    all the same.
    """
    state = access.state
    stopped: list[ExperimentEntry] = []
    missed: list[MachineError] = []
    entries = [entry for entry in all_experiments() if entry.cluster == state.name]
    try:
        async with access.head() as head:
            stopped = [entry for entry in entries if await _settle(entry, head)]
            state = await without_stranded(state, access.request, head.connection, report)
    except MachineError as error:
        report(error.machine, "the records of experiments could not be brought here")
        missed.append(error)
    for entry in entries:
        for failed in await pull_outputs(entry, state, access.connect):
            report(failed.machine, f"the output of trials of {entry.experiment_id} could not be brought here")
            missed.append(failed)
    told: Sequence[MachineError] = ()
    try:
        told = await take_down(state, access.connect, report, force=force)
    except MachinesFailed as error:
        told = error.errors
        raise
    finally:
        # The machine that cannot be stopped is the one that could not be asked: its cause is told once.
        for machine, what in dict.fromkeys((error.machine, error.what) for error in missed):
            if (machine, what) not in [(error.machine, error.what) for error in told]:
                report(machine, what)
    return EndedCluster(tuple(stopped), tuple(told))


async def _settle(entry: ExperimentEntry, head: Head) -> bool:
    """Stop an experiment and mirror its records; tell whether it ran."""
    before = await catch_up(entry, head)
    if before is None or before.status != "RUNNING":
        return False
    await stop_experiment(entry, head)
    return True
