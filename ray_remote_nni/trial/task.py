"""A trial attempt as a Ray task, and where Ray shall run it."""

from __future__ import annotations

import contextlib
import os
import pickle
from collections import deque
from collections.abc import Iterator, Sequence
from typing import Any

import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from ray_remote_nni.trial.assembly import ensure_code
from ray_remote_nni.trial.direct import Invitation, Landing, accept, send_pieces
from ray_remote_nni.trial.inbox import Workers, find_inbox
from ray_remote_nni.trial.layout import Piece
from ray_remote_nni.trial.outgoing import OutgoingCode, in_chunks
from ray_remote_nni.trial.run import Machine, run_attempt
from ray_remote_nni.trial.spec import Ended, NotStarted, TrialEvent, TrialSpec
from ray_remote_nni.trial.working_copy import stock

#: So many chunks of code are on their way to a machine while it writes one.
_AHEAD = 2
_CHUNK_BYTES = 4 * 2**20


@ray.remote(num_cpus=0, max_retries=0)
def run_trial(pickled_spec: bytes, head_node: str) -> bytes:
    """Run a trial on the machine that Ray chose; return all that happened, in order, as `events_of` reads it.

    What happens while it runs goes to the inbox as well, batch by batch. Retries are ours and not Ray's: a lost
    machine costs an attempt that the records know of. Both values are pickled here, by C code: Ray would take a
    Python pickler for them, once in every trial's time on either side.
    """
    spec: TrialSpec = pickle.loads(pickled_spec)
    code = ensure_code(spec.code, lambda pieces: fetch_code(spec.code, pieces, head_node))
    events: list[TrialEvent] = []
    for batch in run_attempt(spec, Machine.from_environment(), code):
        if not isinstance(batch[-1], (Ended, NotStarted)):
            find_inbox(spec.experiment_id).post.remote(spec.trial_id, spec.attempt, len(events), batch)
        events += batch
    return pickle.dumps(events)


def events_of(result: bytes) -> list[TrialEvent]:
    """Return the events in a result of `run_trial`."""
    events: list[TrialEvent] = pickle.loads(result)
    return events


@ray.remote(num_cpus=0, max_retries=0)
def send_code(name: str, pieces: Sequence[Piece] | None, invitation: Invitation | None) -> Iterator[_Chunk]:
    """Yield these pieces of the head's code, or its manifest for None; nothing but an empty chunk for an invitation."""
    code = OutgoingCode(name)
    if pieces is None:
        yield _Chunk(code.manifest)
    elif invitation is not None and (connection := accept(invitation)) is not None:
        with connection:
            yield _Chunk(b"")
            send_pieces(connection, code.pieces(pieces))
    else:
        for chunk in in_chunks(code.pieces(pieces), _CHUNK_BYTES):
            yield _Chunk(chunk)


@ray.remote(num_cpus=0, max_retries=0)
def bring_code(code: str, head_node: str) -> None:
    """Bring code to the machine, also while it is still on its way to the head."""
    ensure_code(code, lambda pieces: fetch_code(code, pieces, head_node))


@ray.remote(num_cpus=0, max_retries=0)
def warm_up(experiment_id: str, code: str, head_node: str, workers: Workers) -> None:
    """Start a worker, which has then imported all that a trial needs, and its code; keep it until all have started."""
    stock(ensure_code(code, lambda pieces: fetch_code(code, pieces, head_node)), workers.number)
    ray.get(find_inbox(experiment_id).meet.remote(workers))


@ray.remote(num_cpus=0, max_retries=0)
def need_worker() -> None:
    """Do nothing, which takes a worker."""


def on_node(node_id: str, *, hard: bool = False) -> NodeAffinitySchedulingStrategy:
    """Return the strategy that prefers a node, and insists on it if `hard`."""
    return NodeAffinitySchedulingStrategy(node_id=node_id, soft=not hard)


class _Chunk:
    """Bytes that Ray puts into its object store, and reads there, without a copy in between."""

    def __init__(self, data: bytes | memoryview) -> None:
        self.data = data

    def __reduce_ex__(self, _: Any) -> tuple[type[_Chunk], tuple[pickle.PickleBuffer]]:
        return _Chunk, (pickle.PickleBuffer(self.data),)


def fetch_code(name: str, pieces: Sequence[Piece] | None, head_node: str) -> Iterator[bytes | memoryview]:
    """Yield these pieces of the head's code, or its manifest for None."""
    landing = _landing() if pieces else None
    with landing or contextlib.nullcontext():
        chunks = _ask_head(name, pieces, head_node, None if landing is None else landing.invitation)
        first = next(chunks)
        if landing is None or len(first):
            yield first
        else:
            yield from landing.receive()
        # Whatever went wrong on the head is raised here.
        yield from chunks


def _landing() -> Landing | None:
    """Return where the head may send to; None where a connection of our own would not be as private as Ray's."""
    if os.environ.get("RAY_USE_TLS") == "1":
        return None
    try:
        return Landing(ray.util.get_node_ip_address())
    except OSError:
        return None


def _ask_head(
    name: str, pieces: Sequence[Piece] | None, head_node: str, invitation: Invitation | None
) -> Iterator[bytes | memoryview]:
    """Yield what `send_code` does on the head. The object store is small: only a few chunks are under way at once."""
    options: dict[str, Any] = {
        "name": "send trial code",
        "scheduling_strategy": on_node(head_node, hard=True),
        "num_returns": "streaming",
        "_generator_backpressure_num_objects": 4,
    }
    chunks: Any = send_code.options(**options).remote(name, pieces, invitation)
    coming: deque[Any] = deque()
    for chunk in chunks:
        # Without this nothing would be on its way here while the one before is written.
        ray.wait([chunk], timeout=0, fetch_local=True)
        coming.append(chunk)
        if len(coming) > _AHEAD or invitation is not None:
            yield ray.get(coming.popleft()).data
            invitation = None
    while coming:
        yield ray.get(coming.popleft()).data
