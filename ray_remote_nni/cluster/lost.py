"""Nodes of a cluster whose state file is lost: found on the machines by what they were marked with, and stopped.

Each node's folder says which client, and which configuration there, it was started for. Clusters of other people, of
another computer of the same user's, or of another configuration have other marks.
"""

from __future__ import annotations

import hashlib
import json
import socket
from collections.abc import Callable
from pathlib import Path, PurePosixPath

from ray_remote_nni.cluster.request import ClusterRequest, RequestedMachine
from ray_remote_nni.cluster.state import MachineState, load_state
from ray_remote_nni.cluster.teardown import stop_machine
from ray_remote_nni.cluster.together import on_all
from ray_remote_nni.cluster.transport import NoShell, Transport, run_shell
from ray_remote_nni.cluster.windows.commands import list_marks
from ray_remote_nni.cluster.windows.recognise import said_by, windows_shell
from ray_remote_nni.errors import MachineError

_LIST = 'for mark in "$HOME"/.ray-nni/clusters/*/*/owner.json; do if [ -f "$mark" ]; then cat "$mark"; echo; fi; done'


def owner_of(config: str) -> str:
    """Return the mark of what this client starts for a configuration, whose absolute path is given."""
    return hashlib.sha256(f"{socket.gethostname()}\0{Path.home()}\0{config}".encode()).hexdigest()[:16]


async def stop_lost(request: ClusterRequest, report: Callable[[str, str], None]) -> int:
    """Stop what this client once started for the request's configuration and has no state of; return how many nodes.

    A machine that cannot be reached is reported, and its nodes stay.
    """
    return sum(
        await on_all(
            _stop_on(machine, owner_of(str(request.config.absolute())), report) for machine in request.machines
        )
    )


async def _stop_on(machine: RequestedMachine, owner: str, report: Callable[[str, str], None]) -> int:
    try:
        connection = await machine.connect()
    except MachineError as error:
        report(machine.settings.host, error.what)
        return 0
    try:
        nodes = lost_nodes(await _marks(connection), owner, machine)
        for node in nodes:
            await stop_machine(connection, node, report)
        return len(nodes)
    finally:
        await connection.close()


async def _marks(connection: Transport) -> str:
    try:
        return await run_shell(connection, _LIST)
    except NoShell:
        shell = await windows_shell(connection)
        if shell is None:
            raise
        return await said_by(connection, list_marks(shell))


def lost_nodes(listing: str, owner: str, machine: RequestedMachine) -> list[MachineState]:
    """Return the nodes among the marks of a machine that are this owner's, and that no state file names."""
    found = []
    for line in listing.splitlines():
        try:
            mark = json.loads(line)
            directory = PurePosixPath(mark["directory"])
        except (ValueError, KeyError, TypeError):
            continue
        if mark.get("owner") != owner or load_state(directory.parent.name) is not None:
            continue
        host, port, user = machine.identity
        found.append(
            MachineState(
                host=host,
                port=port,
                user=user,
                index=0,
                address="",
                home=str(directory.parents[3]),
                python=mark["python"],
                directory=str(directory),
                temp_dir=mark["temp_dir"],
                gpus=(),
            )
        )
    return found
