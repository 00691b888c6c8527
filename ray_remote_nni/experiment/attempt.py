"""One trial attempt seen from the driver: submitted to Ray, its events taken in and recorded as they come."""

from __future__ import annotations

import asyncio
import contextlib
import pickle
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

import ray
from ray.exceptions import (
    LocalRayletDiedError,
    NodeDiedError,
    RayError,
    RpcError,
    WorkerCrashedError,
)

from ray_remote_nni.cluster.resources import gpu_resource, room_resource
from ray_remote_nni.experiment.agenda import Waiting
from ray_remote_nni.experiment.placement import Place
from ray_remote_nni.experiment.spec import ExperimentSpec
from ray_remote_nni.experiment.worker_watch import WorkerWatch
from ray_remote_nni.records.model import Metric
from ray_remote_nni.records.store import RecordStore
from ray_remote_nni.trial.spec import Ended, NotStarted, Reported, Started, TrialEvent, TrialSpec
from ray_remote_nni.trial.task import events_of, need_worker, on_node, run_trial
from ray_remote_nni.tuner.needs import needs_of

_SILENT = "it does not answer any more"
_NO_WORKERS = "Ray starts no worker there: is there memory, room on its disk, and its Python as it was at `up`?"
_IN_WORDS: Mapping[type[RayError], str] = {
    NodeDiedError: "its Ray node died",
    LocalRayletDiedError: "its Ray node died",
    WorkerCrashedError: "its Ray worker died",
    RpcError: "the connection to it broke",
}


@dataclass(frozen=True)
class Lost:
    """The attempt came to nothing through no fault of the trial's: its machine, worker or guard failed."""

    machine: str
    error: str


@dataclass(frozen=True)
class Cancelled:
    """The attempt was ended at our own wish."""


def trial_spec(spec: ExperimentSpec, waiting: Waiting, place: Place) -> TrialSpec:
    """Return what the machine of a place is told of a trial that is to run there."""
    loads = waiting.parameters.get(needs_of(spec.tuner).loads or "")
    return TrialSpec(
        experiment_id=spec.experiment_id,
        trial_id=waiting.trial_id,
        sequence=waiting.sequence,
        attempt=waiting.attempt,
        parameters=waiting.parameters,
        command=spec.trial_command,
        code=spec.code,
        gpu_number=spec.trial_gpu_number,
        timeout_s=spec.max_trial_duration_s,
        gpus=place.gpus,
        trials_per_gpu=place.machine.trials_per_gpu,
        max_trials=place.machine.max_trials,
        environment={**spec.trial_environment, **place.machine.environment},
        base_environment=spec.base_environment,
        loads=loads if isinstance(loads, str) else None,
    )


@dataclass
class Attempt:
    """An attempt under way. `events` is what happened so far, `committed` how many of its metrics are recorded."""

    trial: TrialSpec
    place: Place
    events: list[TrialEvent] = field(default_factory=list)
    started_committed: bool = False
    committed: int = 0
    _task: Any = None
    _cancelled: bool = False
    _given_up: asyncio.Future[str] = field(default_factory=asyncio.Future)

    @property
    def started(self) -> Started | None:
        """Return where and since when its process runs, None before that."""
        first = self.events[0] if self.events else None
        return first if isinstance(first, Started) else None

    @property
    def metrics(self) -> list[Reported]:
        """Return what the trial has reported so far."""
        return [event for event in self.events if isinstance(event, Reported)]

    def submit(self, spec: ExperimentSpec, head_node: str) -> None:
        """Hand the attempt to Ray, which reserves what it needs on the node of its place."""
        place = self.place
        options: dict[str, Any] = {
            "name": f"trial {self.trial.sequence} {self.trial.trial_id}",
            "num_cpus": spec.trial_cpu_number,
            "scheduling_strategy": on_node(place.node.node_id, hard=spec.pinned or place.machine.binding),
        }
        if place.gpus:
            # The sum is for people who look at Ray's dashboard.
            options["num_gpus"] = place.gpu_share * len(place.gpus)
        options["resources"] = {gpu_resource(place.node.index, gpu): place.gpu_share for gpu in place.gpus}
        if place.room_share:
            options["resources"][room_resource(place.node.index)] = place.room_share
        if spec.trial_memory_bytes is not None:
            options["memory"] = spec.trial_memory_bytes
        self._task = run_trial.options(**options).remote(pickle.dumps(self.trial), head_node)

    async def end(self) -> Ended | Lost | Cancelled:
        """Wait for the end; `events` is whole then."""
        result = asyncio.wrap_future(self._task.future())
        await asyncio.wait([result, self._given_up], return_when=asyncio.FIRST_COMPLETED)
        machine = self.started.machine if self.started is not None else self.place.machine.host or "its machine"
        if not result.done():
            result.cancel()
            return Cancelled() if self._cancelled else Lost(machine, self._given_up.result())
        try:
            self.events = events_of(result.result())
        except RayError as error:
            # What the machine has not begun yet Ray cancels at once, also where it is we who give the machine up.
            why = self._given_up.result() if self._given_up.done() else _why(error)
            return Cancelled() if self._cancelled else Lost(machine, why)
        last = self.events[-1]
        if isinstance(last, NotStarted):
            return Lost(last.machine, last.error)
        assert isinstance(last, Ended)
        return last

    def give_up(self, why: str) -> None:
        """Wait no more. What runs on a node that Ray has given up ends with it, as soon as that learns of it."""
        if not self._given_up.done():
            self._cancel_task()
            self._given_up.set_result(why)

    def take(self, start: int, events: list[TrialEvent], store: RecordStore) -> None:
        """Take in and record what happened while it runs; a batch that does not follow on what is known is left."""
        if start != len(self.events):
            return
        self.events += events
        trial, place = self.trial, self.started
        if place is not None and not self.started_committed:
            store.attempt_started(trial.trial_id, trial.attempt, place.machine, place.gpu_indices, place.time)
            self.started_committed = True
        if fresh := self.uncommitted():
            store.add_metrics(trial.trial_id, trial.attempt, fresh)
            self.committed += len(fresh)

    def cancel(self) -> None:
        """End the attempt: its machine's guard ends the process tree."""
        self._cancelled = True
        self._cancel_task()

    def _cancel_task(self) -> None:
        with contextlib.suppress(RayError):
            ray.cancel(self._task, force=False)

    def uncommitted(self) -> list[Metric]:
        """Return the metrics that are not in the records yet."""
        return [(m.sequence, m.kind, m.value, m.time) for m in self.metrics[self.committed :]]


def give_up_stranded(attempts: Sequence[Attempt], lives: Callable[[Place], bool], workers: WorkerWatch) -> None:
    """Give up what will never end by itself: where Ray has given the node up, and where it starts no workers.

    Ray waits for the ends of the first until the connection breaks, and tries to start the second for ever.
    """
    waiting = [attempt for attempt in attempts if attempt.started is None]
    without = workers.without_workers((a.place.node.node_id, a.trial.trial_id) for a in waiting)
    for attempt in attempts:
        if not lives(attempt.place):
            attempt.give_up(_SILENT)
        elif attempt.started is None and attempt.place.node.node_id in without:
            attempt.give_up(_NO_WORKERS)


def try_node(node_id: str) -> Future[Any]:
    """Have a node run a task that needs nothing but a worker."""
    task = need_worker.options(name="try to start a worker", scheduling_strategy=on_node(node_id, hard=True))
    future: Future[Any] = task.remote().future()
    return future


def _why(error: RayError) -> str:
    """Return a Ray error in a few words; most of them come with a page of advice on Ray."""
    for kind, why in _IN_WORDS.items():
        if isinstance(error, kind):
            return why
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}: {lines[0] if lines else 'no reason given'}"
