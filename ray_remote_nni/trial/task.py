"""A trial attempt as a Ray task, and where Ray shall run it."""

from __future__ import annotations

import pickle
import time
from collections.abc import Iterator
from typing import Any

import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from ray_remote_nni.trial.code import ensure_code, read_code
from ray_remote_nni.trial.inbox import find_inbox
from ray_remote_nni.trial.run import Machine, run_attempt
from ray_remote_nni.trial.spec import Ended, NotStarted, TrialEvent, TrialSpec

_WARM_UP_S = 0.5


@ray.remote(num_cpus=0, max_retries=0)
def run_trial(pickled_spec: bytes, head_node: str) -> bytes:
    """Run a trial on the machine that Ray chose; return all that happened, in order, as `events_of` reads it.

    What happens while it runs goes to the inbox as well, batch by batch. Retries are ours and not Ray's: a lost
    machine costs an attempt that the records know of. Both values are pickled here, by C code: Ray would take a
    Python pickler for them, once in every trial's time on either side.
    """
    spec: TrialSpec = pickle.loads(pickled_spec)
    code = ensure_code(spec.code, lambda: _fetch_code(spec.code, head_node))
    gpus: tuple[int, ...] = ()
    if spec.gpu_number:
        gpus = tuple(sorted(int(gpu) for gpu in ray.get_runtime_context().get_accelerator_ids()["GPU"]))
    events: list[TrialEvent] = []
    for batch in run_attempt(spec, Machine.from_environment(), code, gpus):
        if not isinstance(batch[-1], (Ended, NotStarted)):
            find_inbox(spec.experiment_id).post.remote(spec.trial_id, spec.attempt, len(events), batch)
        events += batch
    return pickle.dumps(events)


def events_of(result: bytes) -> list[TrialEvent]:
    """Return the events in a result of `run_trial`."""
    events: list[TrialEvent] = pickle.loads(result)
    return events


@ray.remote(num_cpus=0, max_retries=0)
def send_code(name: str) -> Iterator[bytes]:
    """Yield the head's copy of the code; the object store is small, so only a few chunks are under way at once."""
    yield from read_code(name)


@ray.remote(num_cpus=0, max_retries=0)
def warm_up() -> None:
    """Occupy a worker for a moment: it has been started then, and has imported all that a trial needs.

    For so long that the next one finds another worker.
    """
    time.sleep(_WARM_UP_S)


def on_node(node_id: str, *, hard: bool = False) -> NodeAffinitySchedulingStrategy:
    """Return the strategy that prefers a node, and insists on it if `hard`."""
    return NodeAffinitySchedulingStrategy(node_id=node_id, soft=not hard)


def _fetch_code(name: str, head_node: str) -> Iterator[bytes]:
    options: dict[str, Any] = {
        "name": "send trial code",
        "scheduling_strategy": on_node(head_node, hard=True),
        "num_returns": "streaming",
        "_generator_backpressure_num_objects": 4,
    }
    chunks: Any = send_code.options(**options).remote(name)
    for chunk in chunks:
        yield ray.get(chunk)
