"""What a trial printed, or a tuner or assessor of one's own: from the mirror, or from its machine while that is up."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from ray_remote_nni.cluster import remote as on_machines
from ray_remote_nni.cluster.interpreter import send_module
from ray_remote_nni.cluster.state import MachineState
from ray_remote_nni.cluster.transport import Transport
from ray_remote_nni.custom.process import Kind
from ray_remote_nni.errors import NotFound
from ray_remote_nni.experiment.access import access_cluster, cluster_named
from ray_remote_nni.experiment.registry import ExperimentEntry
from ray_remote_nni.records.model import TrialRecord
from ray_remote_nni.words import last_line

Stream = Literal["stdout", "stderr"]
_CHUNK_BYTES = 2**20
_PRINT = Path(on_machines.__file__).parent / "print_files.py"
_MARK = b"-- ray-nni output --\n"


def trial_output(
    entry: ExperimentEntry,
    trial: TrialRecord,
    streams: Sequence[Stream],
    ask: Callable[[str], str],
    *,
    follow: bool = False,
) -> Iterator[bytes]:
    """Yield a trial's output in chunks, one stream after the other; with `follow` go on until the trial ends.

    Raises NotFound where it is neither here nor within reach.
    """
    elsewhere = list[Stream]()
    for stream in streams:
        mirrored = entry.trials_directory / trial.trial_id / stream
        if mirrored.exists():
            yield from _read(mirrored)
        else:
            elsewhere.append(stream)
    if not elsewhere:
        return
    if trial.machine is None:
        raise NotFound(f"Trial {trial.trial_id} has not started yet.")
    state = cluster_named(entry.cluster)
    node = None if state is None else next((node for node in state.machines if node.label == trial.machine), None)
    if state is None or node is None:
        raise NotFound(f"The output of trial {trial.trial_id} is on {trial.machine}, whose cluster is not up.")
    files = [f"trials/{trial.trial_id}/{stream}" for stream in elsewhere]
    connect = access_cluster(state, ask).connect
    yield from _in_turn(fetch(connect, node, entry.experiment_id, files, f"trial {trial.trial_id}", follow=follow))


def own_kinds(config: Mapping[str, Any]) -> list[Kind]:
    """Return which of tuner and assessor are classes of the user's own, by an experiment's configuration."""
    kinds: tuple[Kind, ...] = ("tuner", "assessor")
    return [kind for kind in kinds if (config.get(kind) or {}).get("className") is not None]


def algorithm_log(
    entry: ExperimentEntry, kind: Kind, ask: Callable[[str], str], *, follow: bool = False
) -> Iterator[bytes]:
    """Yield what the experiment's own tuner or assessor said, in chunks; with `follow` go on until its process ends.

    From the head while that is up: one that was resumed has said more since. Raises NotFound where it is neither here
    nor within reach.
    """
    mirrored = entry.log_directory / f"{kind}.log"
    state = cluster_named(entry.cluster)
    if state is not None:
        connect = access_cluster(state, ask).connect
        said = fetch(connect, state.head, entry.experiment_id, [f"log/{kind}.log"], f"the {kind}", follow=follow)
        try:
            yield from _in_turn(said)
            return
        except NotFound:
            # Another machine may be the head by now.
            if not mirrored.exists():
                raise
    elif not mirrored.exists():
        raise NotFound(f"What the {kind} said is on the head of experiment {entry.experiment_id}, which is not up.")
    yield from _read(mirrored)


def _read(file: Path) -> Iterator[bytes]:
    with file.open("rb") as reading:
        while chunk := reading.read(_CHUNK_BYTES):
            yield chunk


async def fetch(
    connect: Callable[[MachineState], Awaitable[Transport]],
    node: MachineState,
    experiment_id: str,
    files: Sequence[str],
    whose: str,
    *,
    follow: bool = False,
) -> AsyncGenerator[bytes, None]:
    """Yield what a machine has in files of an experiment, as it comes: it may be more than fits into memory.

    Raises NotFound where one of them is not there.
    """
    folder = f"{node.home}/.ray-nni/experiments/{experiment_id}"
    connection = await connect(node)
    try:
        asked = {"mark": _MARK.decode(), "files": [f"{folder}/{file}" for file in files], "follow": follow}
        async with send_module(connection, node.python, _PRINT, asked) as remote:
            if not follow:
                remote.write_eof()
            noise: bytes | None = b""
            while part := await remote.read(_CHUNK_BYTES):
                if noise is not None:
                    noise, mark, part = (noise + part).partition(_MARK)
                    if mark:
                        noise = None
                if noise is None and part:
                    yield part
            code, errors = await remote.wait()
        if code != 0:
            why = last_line(errors, f"{folder} cannot be read")
            raise NotFound(f"There is no output of {whose} on {node.label}: {why}.")
    finally:
        await connection.close()


def _in_turn(chunks: AsyncGenerator[bytes, None]) -> Iterator[bytes]:
    """Yield what an asynchronous generator does; it goes on only while the next is asked for."""
    loop = asyncio.new_event_loop()
    coming: asyncio.Future[bytes | None] | None = None
    try:
        while True:
            coming = asyncio.ensure_future(anext(chunks, None), loop=loop)
            if (chunk := loop.run_until_complete(coming)) is None:
                break
            yield chunk
    finally:
        # Ctrl-C leaves the generator in the middle of its wait, where it cannot be closed.
        if coming is not None and not coming.done():
            coming.cancel()
            loop.run_until_complete(asyncio.wait([coming]))
        loop.run_until_complete(chunks.aclose())
        loop.close()
