"""`down`: stops this cluster's processes on every machine, and nothing else."""

from __future__ import annotations

import contextlib
import io
import os
import signal
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace

from ray_remote_nni.cluster.alone import alone_with
from ray_remote_nni.cluster.library import install, library_folder, our_library
from ray_remote_nni.cluster.node import stop_node
from ray_remote_nni.cluster.state import ClusterState, MachineState, all_states, load_state
from ray_remote_nni.cluster.together import MachinesFailed, on_all
from ray_remote_nni.cluster.transport import Transport
from ray_remote_nni.errors import MachineError
from ray_remote_nni.words import plural

_FORWARD_PATIENCE_S = 3.0


async def take_down(
    state: ClusterState,
    connect: Callable[[MachineState], Awaitable[Transport]],
    report: Callable[[str, str], None],
    *,
    force: bool = False,
) -> Sequence[MachineError]:
    """Stop a cluster and forget it.

    Raises MachinesFailed where a machine does not answer; the others are stopped all the same, and the state stays, so
    that `down` can be repeated. With `force` the cluster is forgotten even then, and what went wrong is returned,
    machine by machine. Waits for another command that is at work on the cluster.
    """
    waiting = "another command is at work on this cluster; waiting for it"
    members = [identity for _, identity in state.members]
    async with alone_with(state.config, members, lambda: report(state.head.label, waiting)):
        # As that other command left it.
        latest = load_state(state.name)
        if latest is None:
            return ()
        replace(latest, status="stopping").save()
        stop_forward(latest)
        try:
            await on_all(_connect_and_stop(node, connect, report, force) for node in latest.machines)
        except MachinesFailed as error:
            if not force:
                raise MachinesFailed(error.errors, _advice(latest, error.errors)) from error
            failed = error.errors
        else:
            failed = ()
        latest.forget()
        return failed


def _advice(state: ClusterState, errors: Sequence[MachineError]) -> str:
    failed = {error.machine for error in errors}
    others = "All other machines are stopped. " if any(node.label not in failed for node in state.machines) else ""
    # Left out, the name means the latest cluster.
    name = f" {state.name}" if len(all_states()) > 1 else ""
    return (
        f"{others}Once that is mended: ray-nni down{name}. To forget what may still run there: "
        f"ray-nni down{name} --force"
    )


async def _connect_and_stop(
    node: MachineState,
    connect: Callable[[MachineState], Awaitable[Transport]],
    report: Callable[[str, str], None],
    force: bool,
) -> None:
    try:
        connection = await connect(node)
        try:
            await stop_machine(connection, node, report)
        finally:
            await connection.close()
    except MachineError as error:
        # Without `force` the cause comes with the error, at the end.
        report(node.label, error.what if force else "failed")
        raise


async def stop_machine(connection: Transport, node: MachineState, report: Callable[[str, str], None]) -> None:
    """Stop one node over an open connection."""
    name, archive = our_library()
    library = library_folder(node.home, name)
    await install(connection, node.python, name, io.BytesIO(archive))
    swept = await stop_node(connection, node.python, library, node.directory, node.temp_dir)
    report(
        node.label, f"stopped, {plural(len(swept), 'lost process', 'lost processes')} swept up" if swept else "stopped"
    )


def stop_forward(state: ClusterState) -> None:
    """End the background process that forwards the dashboard."""
    forward = state.forward
    if forward is None:
        return
    deadline = time.monotonic() + _FORWARD_PATIENCE_S
    number = signal.SIGTERM
    while forward.alive():
        with contextlib.suppress(ProcessLookupError):
            os.kill(forward.pid, number)
        if time.monotonic() > deadline:
            # Windows has one way to end a process, and no name for it.
            number = getattr(signal, "SIGKILL", signal.SIGTERM)
        time.sleep(0.05)
