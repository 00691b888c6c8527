"""The driver's end of the tuner: an actor that is made anew from the records whenever it is lost."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import ray
from ray.exceptions import RayActorError

from ray_remote_nni.experiment.ahead import Ahead
from ray_remote_nni.experiment.spec import ExperimentSpec
from ray_remote_nni.records.model import EarlierResult, TrialRecord
from ray_remote_nni.records.reader import RecordReader
from ray_remote_nni.trial.metrics import default_value
from ray_remote_nni.trial.spec import Reported
from ray_remote_nni.trial.task import on_node
from ray_remote_nni.trial.workspace import experiment_directory
from ray_remote_nni.tuner.actor import Nothing, TunerActor
from ray_remote_nni.tuner.needs import needs_of
from ray_remote_nni.tuner.replay import Result

_LOG = logging.getLogger(__name__)
_MOST_LOSSES = 5


class Suggests(Protocol):
    """Whatever suggests parameters to the loop."""

    #: Whether it may have more to suggest once trials have ended, though it had nothing before.
    asks_again: bool
    #: How many ends of trials it knew when it suggested the latest parameters.
    ends_known: int
    #: Whether parameters are there for whoever asks, though there were none before.
    at_hand: bool

    async def ask(self, trial_id: str) -> dict[str, Any] | None:
        """Return parameters for a new trial, None when there is nothing left to try."""
        ...

    def take(self, trial_id: str, metrics: Sequence[Reported]) -> None:
        """Take all that a running trial has reported so far."""
        ...

    def forget(self, trial_id: str) -> None:
        """Forget what a trial has reported: it runs again."""
        ...

    def ended(
        self, trial_id: str, value: float | None, metrics: Sequence[Reported] = (), *, succeeded: bool = False
    ) -> None:
        """Take a trial's end, with its value and all that it reported."""
        ...

    def adopt(self, trial_id: str, parameters: Mapping[str, Any]) -> None:
        """Take note of a trial that somebody has set by hand; its end will be told as any other's."""
        ...

    def learn(self, results: Sequence[EarlierResult]) -> None:
        """Take results of elsewhere."""
        ...

    def renew(self, spec: ExperimentSpec) -> None:
        """Suggest for another search space from now on; what was learnt is kept as far as it fits."""
        ...

    async def run(self, stop: Callable[[str, str], None]) -> None:
        """Do what has to be done beside answering; must be kept running until it returns.

        `stop(trial_id, why)` is called for a running trial that is not worth it any more.
        """
        ...

    async def close(self, *, politely: bool) -> None:
        """End what it runs in; `politely` it is told so first."""
        ...


class Suggestions:
    """Asks the tuner actor. Trials must be in the records before `ended` tells of them."""

    def __init__(self, spec: ExperimentSpec, records: RecordReader, libraries: Sequence[str] = ()) -> None:
        """`libraries` are the folders of packages that the tuner needs and the driver does not."""
        self.asks_again = False
        self.ends_known = 0
        self.at_hand = False
        self._spec = spec
        self._needs = needs_of(spec.tuner)
        self._head_node = ray.get_runtime_context().get_node_id()
        self._records = records
        self._losses = 0
        self._made = 0
        self._libraries = libraries
        self._ends: list[tuple[str, float | None]] = []
        self._ahead: Ahead[dict[str, Any] | Nothing] | None = None
        self._actor: Any = self._create()

    def _create(self) -> Any:
        spec = self._spec
        arguments = {name: value for name, value in spec.tuner_args.items() if name != "seed"}
        if self._needs.shared_folder is not None:
            folder = experiment_directory(spec.experiment_id) / "checkpoints"
            arguments.setdefault(self._needs.shared_folder, str(folder))
        # For some time after its loss, an actor's name is taken.
        self._made += 1
        again = f" ({self._made})" if self._made > 1 else ""
        options: dict[str, Any] = {
            "name": f"tuner {spec.experiment_id}{again}",
            # Beside the records: it is lost with no other machine. A mere preference does not count for an actor that
            # reserves nothing: Ray places it anywhere.
            "scheduling_strategy": on_node(self._head_node, hard=True),
        }
        if self._libraries:
            path = os.pathsep.join([*self._libraries, os.environ.get("PYTHONPATH", "")])
            options["runtime_env"] = {"env_vars": {"PYTHONPATH": path}}
        actor: Any = TunerActor.options(**options).remote(  # type: ignore[attr-defined]
            spec.tuner, dict(spec.search_space), arguments, spec.seed, spec.duplicates
        )
        with self._records.snapshot() as records:
            asked = [(trial.trial_id, trial.parameters, trial.ends_before) for trial in records.trials()]
            ends = [(trial.trial_id, self._earlier(trial, records)) for trial in records.finished_for_replay()]
            learnt = records.learnt()
        # They are in the records.
        self._ends = []
        self.ends_known = len(ends)
        self._taken = 0
        if asked or learnt:
            actor.replay.remote(asked, ends, self._named(learnt))
        self._ahead = None if self._needs.learns else Ahead(actor.ask.remote)
        return actor

    async def ask(self, trial_id: str) -> dict[str, Any] | None:
        """Return parameters for a new trial, None when there is nothing left to try, or nothing yet: `asks_again`."""
        if self.asks_again and not self._ends:
            return None
        if self._actor is None:
            self._actor = self._create()
        while True:
            try:
                ends, self._ends = self._ends, []
                self.ends_known += len(ends)
                if self._ahead is not None:
                    answer = await self._ahead.next()
                else:
                    answer = await self._actor.ask.remote(trial_id, ends)
                self.asks_again = answer == "not yet"
                return None if isinstance(answer, str) else answer
            except RayActorError:
                self._losses += 1
                if self._losses > _MOST_LOSSES:
                    raise
                _LOG.warning("the tuner's actor was lost; a new one learns from the records", exc_info=True)
                self._actor = self._create()

    def adopt(self, trial_id: str, parameters: Mapping[str, Any]) -> None:
        """Take note of a trial that somebody has set by hand; see Suggests."""
        if self._actor is not None:
            self._actor.adopt.remote(trial_id, parameters)

    def learn(self, results: Sequence[EarlierResult]) -> None:
        """Take results of elsewhere, as trials that have run; see Suggests."""
        if self._actor is not None:
            self._actor.take.remote(self._named(results))

    def _named(self, results: Sequence[EarlierResult]) -> list[Result]:
        first = self._taken
        self._taken += len(results)
        # No trial is called so: their names are letters and digits.
        return [
            (f"#{number}", result["parameter"], default_value(result["value"]))
            for number, result in enumerate(results, first)
        ]

    def _earlier(self, trial: TrialRecord, records: RecordReader) -> float | None:
        """Return what the tuner was told of an earlier trial's end."""
        if trial.status != "SUCCEEDED":
            return None
        if trial.value is None and self._needs.last_intermediate:
            return _last(records.trial(trial.trial_id).intermediate)
        return trial.value

    def renew(self, spec: ExperimentSpec) -> None:
        """Have a new actor learn from the records, once the old one's latest suggestion is in them too."""
        self._spec = spec
        self._actor = None

    def ended(
        self, trial_id: str, value: float | None, metrics: Sequence[Reported] = (), *, succeeded: bool = False
    ) -> None:
        """Tell of a trial's end. The tuner learns of it when it is asked the next time: that saves a message."""
        if value is None and succeeded and self._needs.last_intermediate:
            value = _last([metric.value for metric in metrics if metric.kind == "PERIODICAL"])
        self._ends.append((trial_id, value))

    def take(self, trial_id: str, metrics: Sequence[Reported]) -> None:
        """Do nothing: it learns from a trial's end."""

    def forget(self, trial_id: str) -> None:
        """Do nothing: it has not been told."""

    async def run(self, stop: Callable[[str, str], None]) -> None:
        """Do nothing: all is done when it is asked."""

    async def close(self, *, politely: bool) -> None:
        """Do nothing: the actor ends with the driver."""


def _last(results: Sequence[Any]) -> float | None:
    return default_value(results[-1]) if results else None
