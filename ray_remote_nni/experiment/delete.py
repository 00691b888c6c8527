"""Deleting an experiment: what the machines keep of it, then what this computer does."""

from __future__ import annotations

import shutil
from pathlib import Path

from ray_remote_nni.cluster.request import ClusterRequest, RequestedMachine
from ray_remote_nni.cluster.together import failures_of
from ray_remote_nni.cluster.transport import NoShell, Transport, quote, run_shell
from ray_remote_nni.cluster.windows.commands import delete_experiment
from ray_remote_nni.cluster.windows.recognise import said_by, windows_shell
from ray_remote_nni.errors import MachineError
from ray_remote_nni.experiment.registry import ExperimentEntry


async def delete_from_machines(entry: ExperimentEntry, request: ClusterRequest) -> list[MachineError]:
    """Delete an ended experiment's folder on all machines; return what went wrong, machine by machine."""
    return await failures_of(_delete_from(entry, machine) for machine in request.machines)


def delete_here(entry: ExperimentEntry) -> None:
    """Delete an experiment's mirror, and forget the experiment."""
    directory = Path(entry.directory)
    if directory.exists():
        shutil.rmtree(directory)
    entry.forget()


async def _delete_from(entry: ExperimentEntry, machine: RequestedMachine) -> None:
    connection = await machine.connect()
    try:
        lines = (await _delete(connection, entry.experiment_id)).split("\n")
        lines = [line.strip() for line in lines if line.strip()]
        if lines[-1:] != ["gone"]:
            raise MachineError(machine.label, f"its files could not be deleted: {(lines or ['no reason given'])[0]}.")
    finally:
        await connection.close()


async def _delete(connection: Transport, experiment_id: str) -> str:
    # A trial may have left folders that its own user may not write to. Files need no more to go, and some are links to
    # the machine's code, which other trials must find read-only.
    folder = f'"$HOME"/.ray-nni/experiments/{quote(experiment_id)}'
    try:
        opening = f"find {folder} -type d ! -perm -700 -exec chmod u+rwx {{}} \\;"
        return await run_shell(
            connection, f"if test -d {folder}; then {opening}; rm -rf {folder}; fi 2>&1 && echo gone"
        )
    except NoShell:
        shell = await windows_shell(connection)
        if shell is None:
            raise
        return await said_by(connection, delete_experiment(shell, experiment_id))
