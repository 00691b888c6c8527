"""What a trial printed: from the mirror, or from its machine while that is up."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterator
from pathlib import Path
from typing import Literal

from ray_remote_nni.cluster import remote as on_machines
from ray_remote_nni.cluster.interpreter import send_module
from ray_remote_nni.cluster.state import MachineState
from ray_remote_nni.errors import NotFound
from ray_remote_nni.experiment.access import ClusterAccess, access_cluster, cluster_named
from ray_remote_nni.experiment.registry import ExperimentEntry
from ray_remote_nni.records.model import TrialRecord

Stream = Literal["stdout", "stderr"]
_CHUNK_BYTES = 2**20
_PRINT = Path(on_machines.__file__).parent / "print_file.py"
_MARK = b"-- ray-nni output --\n"


def trial_output(
    entry: ExperimentEntry, trial: TrialRecord, stream: Stream, ask: Callable[[str], str]
) -> Iterator[bytes]:
    """Yield a trial's output in chunks. Raises NotFound where it is neither here nor within reach."""
    mirrored = entry.trials_directory / trial.trial_id / stream
    if mirrored.exists():
        with mirrored.open("rb") as file:
            while chunk := file.read(_CHUNK_BYTES):
                yield chunk
        return
    if trial.machine is None:
        raise NotFound(f"Trial {trial.trial_id} has not started yet.")
    state = cluster_named(entry.cluster)
    node = None if state is None else next((node for node in state.machines if node.label == trial.machine), None)
    if state is None or node is None:
        raise NotFound(f"The output of trial {trial.trial_id} is on {trial.machine}, whose cluster is not up.")
    access = access_cluster(state, ask)
    yield from _in_turn(_fetch(access, node, entry.experiment_id, trial.trial_id, stream))


async def _fetch(
    access: ClusterAccess, node: MachineState, experiment_id: str, trial_id: str, stream: Stream
) -> AsyncGenerator[bytes, None]:
    """Yield what the machine has, as it comes: it may be more than fits into memory."""
    file = f"{node.home}/.ray-nni/experiments/{experiment_id}/trials/{trial_id}/{stream}"
    connection = await access.connect(node)
    try:
        asked = {"mark": _MARK.decode(), "file": file}
        async with send_module(connection, node.python, _PRINT, asked) as remote:
            remote.write_eof()
            noise: bytes | None = b""
            while part := await remote.read(_CHUNK_BYTES):
                if noise is not None:
                    noise, mark, part = (noise + part).partition(_MARK)
                    if mark:
                        noise = None
                if noise is None and part:
                    yield part
            code, _ = await remote.wait()
        if code != 0:
            raise NotFound(f"There is no output of trial {trial_id} on {node.label}: {file} cannot be read.")
    finally:
        await connection.close()


def _in_turn(chunks: AsyncGenerator[bytes, None]) -> Iterator[bytes]:
    """Yield what an asynchronous generator does; it goes on only while the next is asked for."""
    loop = asyncio.new_event_loop()
    try:
        while (chunk := loop.run_until_complete(anext(chunks, None))) is not None:
            yield chunk
    finally:
        loop.run_until_complete(chunks.aclose())
        loop.close()
