"""One trial attempt seen from the driver: submitted to Ray, followed event by event, committed as it goes."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field
from typing import Any

import ray
from ray.exceptions import RayError, TaskCancelledError

from ray_remote_nni.experiment.spec import ExperimentSpec
from ray_remote_nni.records.model import Metric
from ray_remote_nni.records.store import RecordStore
from ray_remote_nni.trial.spec import Ended, NotStarted, Reported, Started, TrialEvent, TrialSpec
from ray_remote_nni.trial.task import on_node, run_trial


@dataclass(frozen=True)
class Lost:
    """The attempt came to nothing through no fault of the trial's: its machine, worker or guard failed."""

    machine: str | None
    error: str


@dataclass(frozen=True)
class Cancelled:
    """The attempt was ended at our own wish."""


@dataclass
class Attempt:
    """An attempt under way. `seen` collects what it reported; `committed` is how much of that is in the records."""

    trial: TrialSpec
    started: Started | None = None
    started_committed: bool = False
    seen: list[Reported] = field(default_factory=list)
    committed: int = 0
    _task: Any = None
    _cancelled: bool = False

    def submit(self, spec: ExperimentSpec, node: str | None, head_node: str) -> None:
        """Hand the attempt to Ray; `node` is where it shall run, None where Ray chooses by what it reserves."""
        options: dict[str, Any] = {
            "name": f"trial {self.trial.sequence} {self.trial.trial_id}",
            "num_returns": "streaming",
            "num_cpus": spec.trial_cpu_number,
            "num_gpus": spec.trial_gpu_number or 0,
            "scheduling_strategy": on_node(node) if node is not None else "SPREAD",
        }
        if spec.trial_memory_bytes is not None:
            options["memory"] = spec.trial_memory_bytes
        self._task = run_trial.options(**options).remote(self.trial, head_node)

    async def follow(self, store: RecordStore) -> Ended | Lost | Cancelled:
        """Record what happens, as it happens, until the end, which is left to the caller to record."""
        try:
            async for reference in self._task:
                for event in await reference:
                    end = self._take(event)
                    if end is not None:
                        return end
                self._commit(store)
        except TaskCancelledError:
            return Cancelled()
        except RayError as error:
            if self._cancelled:
                return Cancelled()
            machine = self.started.machine if self.started is not None else None
            return Lost(machine, _first_line(error))
        return Cancelled() if self._cancelled else Lost(None, "its task ended without a word")

    def cancel(self) -> None:
        """End the attempt: its machine's guard ends the process tree."""
        self._cancelled = True
        with contextlib.suppress(RayError):
            ray.cancel(self._task, force=False)

    def uncommitted(self) -> list[Metric]:
        """Return the metrics that are not in the records yet."""
        return [(m.sequence, m.kind, m.value, m.time) for m in self.seen[self.committed :]]

    def _take(self, event: TrialEvent) -> Ended | Lost | None:
        match event:
            case Started():
                self.started = event
            case Reported():
                self.seen.append(event)
            case Ended():
                return event
            case NotStarted():
                return Lost(event.machine, event.error)
        return None

    def _commit(self, store: RecordStore) -> None:
        trial = self.trial
        if self.started is not None and not self.started_committed:
            place = self.started
            store.attempt_started(trial.trial_id, trial.attempt, place.machine, place.gpu_indices, place.time)
            self.started_committed = True
        if self.committed < len(self.seen):
            store.add_metrics(trial.trial_id, trial.attempt, self.uncommitted())
            self.committed = len(self.seen)


def _first_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}: {lines[0] if lines else 'no reason given'}"
