"""What there is: the clusters of this client and its experiments, as `status --json` shows them."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from ray_remote_nni.cluster.node import node_runs
from ray_remote_nni.cluster.state import ClusterState, MachineState, all_states
from ray_remote_nni.errors import NotFound, RayNniError
from ray_remote_nni.experiment.access import ClusterAccess, access_cluster, cluster_named
from ray_remote_nni.experiment.mirror import catch_up
from ray_remote_nni.experiment.registry import ExperimentEntry, all_experiments
from ray_remote_nni.records.connection import RecordsUnreadable
from ray_remote_nni.records.reader import RecordReader
from ray_remote_nni.records.shapes import experiment_json

#: How long a driver may take to make the records.
_FIRST_RECORDS_S = 10.0


async def refresh(entry: ExperimentEntry, ask: Callable[[str], str]) -> str | None:
    """Bring an experiment's mirror up to date where its cluster is up; return why that could not be done."""
    return await _refresh(entry.cluster, [entry], ask)


async def _refresh(cluster: str, entries: Sequence[ExperimentEntry], ask: Callable[[str], str]) -> str | None:
    """Do so for several experiments of one cluster, through one connection: sshd refuses too many at once."""
    state = cluster_named(cluster)
    if state is None:
        return None
    try:
        async with access_cluster(state, ask).head() as head:
            for entry in entries:
                await catch_up(entry, head)
    except RayNniError as error:
        return str(error)
    return None


async def await_records(entry: ExperimentEntry, ask: Callable[[str], str]) -> None:
    """Wait a while for the first records of an experiment whose cluster is up."""
    state = cluster_named(entry.cluster)
    if state is None:
        return
    deadline = time.monotonic() + _FIRST_RECORDS_S
    async with access_cluster(state, ask).head() as head:
        while await catch_up(entry, head) is None and time.monotonic() < deadline:
            await asyncio.sleep(0.3)


def cluster_of(
    entry: ExperimentEntry, or_else: Callable[[], ClusterState] | None = None, *, to_change: bool = False
) -> ClusterState:
    """Return the cluster that an experiment runs on, or else another. Raises NotFound where it is not up.

    `to_change` says that the experiment is to be changed, which an ended one can be, too.
    """
    state = cluster_named(entry.cluster)
    if state is not None:
        return state
    if or_else is not None:
        with contextlib.suppress(NotFound):
            return or_else()
    name = entry.experiment_id
    status = None
    if entry.mirror.exists():
        with RecordReader(entry.mirror) as records:
            status = records.experiment().status
    if to_change:
        now = "" if status is None else f" is {status}, and it"
        raise NotFound(
            f"Experiment {name}{now} can be changed while its cluster is up. First: ray-nni up {entry.config}"
        )
    if status == "DONE" and or_else is None:
        raise NotFound(f"Experiment {name} is DONE, and its cluster is not up. Its results: ray-nni show {name}")
    known = f"Experiment {name} is {status}" if status not in (None, "RUNNING") else f"This is about experiment {name}"
    raise NotFound(
        f"{known}, and its cluster is not up. To go on with it: ray-nni up {entry.config}, then ray-nni resume {name}"
    )


async def status_json(ask: Callable[[str], str], warn: Callable[[str], None]) -> dict[str, Any]:
    """Return {"clusters": [...], "experiments": [...]}, asked for on all machines at once.

    An experiment whose mirror cannot be read is left out, and nothing is known of the machines of a cluster whose
    configuration or passwords cannot be had; `warn` is told why.
    """
    entries = all_experiments()
    by_cluster: dict[str, list[ExperimentEntry]] = {}
    for entry in entries:
        by_cluster.setdefault(entry.cluster, []).append(entry)
    await asyncio.gather(*(_refresh(cluster, group, ask) for cluster, group in by_cluster.items()))
    experiments = []
    running: Counter[str] = Counter()
    for entry in entries:
        if entry.mirror.exists():
            try:
                with RecordReader(entry.mirror) as records:
                    experiments.append(experiment_json(records))
                    running.update(f"{entry.cluster} {trial.machine}" for trial in records.running())
            except RecordsUnreadable as error:
                warn(str(error))
    clusters = await asyncio.gather(*(_cluster(state, running, ask, warn) for state in all_states()))
    return {"clusters": list(clusters), "experiments": experiments}


async def _cluster(
    state: ClusterState, running: Counter[str], ask: Callable[[str], str], warn: Callable[[str], None]
) -> dict[str, Any]:
    try:
        access = access_cluster(state, ask)
        statuses = await asyncio.gather(*(_machine_status(access, machine) for machine in state.machines))
    except RayNniError as error:
        warn(f"The machines of cluster {state.name} could not be asked: {error}")
        statuses = ["unknown"] * len(state.machines)
    return {
        "name": state.name,
        "status": state.status,
        "config": state.config,
        "head": state.head.host,
        "headPort": state.head.shown_port,
        "dashboard": state.dashboard_url,
        "machines": [
            {
                "host": machine.host,
                "port": machine.shown_port,
                "status": status,
                "runningTrials": running[f"{state.name} {machine.label}"],
            }
            for machine, status in zip(state.machines, statuses, strict=True)
        ]
        + [{"host": machine.host, "port": None, "status": "missing", "runningTrials": 0} for machine in state.missing],
    }


async def _machine_status(access: ClusterAccess, machine: MachineState) -> str:
    try:
        connection = await access.connect(machine)
        try:
            return "up" if await node_runs(connection, machine.directory) else "down"
        finally:
            await connection.close()
    except RayNniError:
        return "unreachable"
