"""Tuners, advisors and assessors of people's own, as the loop deals with them: told what and when NNI tells."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ray_remote_nni.experiment.earlier_results import results_of
from ray_remote_nni.experiment.own_process import OwnAlgorithm
from ray_remote_nni.experiment.spec import ExperimentSpec
from ray_remote_nni.records.model import EarlierResult, TrialStatus
from ray_remote_nni.records.reader import RecordReader
from ray_remote_nni.trial.spec import Reported

#: How often an advisor is looked after that has not been told anything: threads of its own may have sent something.
_LOOK_S = 1.0


@dataclass(frozen=True)
class _End:
    trial_id: str
    metrics: Sequence[Reported]
    status: TrialStatus


class OwnTuner:
    """A tuner of the user's own, or an advisor. `run` tells it of ends as they come, and must be kept running.

    As in NNI it numbers trials itself, a final result is told whatever the exit code, every end is told, and what an
    earlier driver's trials came to is imported. An advisor is told each result when it comes.
    """

    #: It may have more to suggest when trials have ended.
    asks_again = True
    ends_known = 0

    def __init__(self, spec: ExperimentSpec, own: Mapping[str, Any], records: RecordReader) -> None:
        trials = records.trials()
        self.at_hand = False
        self._name = own["class_name"]
        self._records = records
        self._process = OwnAlgorithm(spec, "tuner", own, resumed=bool(trials))
        self._earlier = {trial.trial_id: trial.parameters for trial in trials}
        self._learnt = records.learnt()
        self._learnt += results_of(records.finished_for_replay())
        self._ids: dict[str, int] = {}
        self._next = len(trials)
        self._metrics: dict[str, Sequence[Reported]] = {}
        self._told: dict[str, int] = {}
        self._ends: deque[_End] = deque()
        self._kills: list[str] = []
        self._space: Mapping[str, Any] | None = None
        self._arrived = asyncio.Event()
        self._order = asyncio.Lock()

    async def ask(self, trial_id: str) -> dict[str, Any] | None:
        """Return parameters for a new trial, None when there is nothing to try now."""
        await self._flush()
        number = self._next
        made = await self._process.call("generate", ids=[number])
        await self._look()
        if not made:
            return None
        self._next += 1
        self._ids[trial_id] = number
        (parameters,) = made
        if not isinstance(parameters, dict):
            raise TypeError(f"the tuner suggested {parameters!r}; a trial's parameters are a dict")
        return parameters

    def take(self, trial_id: str, metrics: Sequence[Reported]) -> None:
        """Take all that a running trial has reported so far, if it is an advisor."""
        if self._process.advises:
            self._metrics[trial_id] = metrics
            self._arrived.set()

    def forget(self, trial_id: str) -> None:
        """Take note that a trial runs again, and what it reports from now on as new."""
        self._metrics.pop(trial_id, None)
        self._told.pop(trial_id, None)

    def ended(
        self, trial_id: str, value: float | None, metrics: Sequence[Reported] = (), *, succeeded: bool = False
    ) -> None:
        """Take a trial's end."""
        self._metrics.pop(trial_id, None)
        self._ends.append(_End(trial_id, metrics, self._records.trial(trial_id).status))
        self._arrived.set()

    def adopt(self, trial_id: str, parameters: Mapping[str, Any]) -> None:
        """Take note of a trial that was set by hand: it takes a number, and its result is imported, as in NNI."""
        self._earlier[trial_id] = dict(parameters)
        self._next += 1

    def learn(self, results: Sequence[EarlierResult]) -> None:
        """Have results of elsewhere imported."""
        self._learnt += results
        self._arrived.set()

    def renew(self, spec: ExperimentSpec) -> None:
        """Take another search space."""
        self._space = spec.search_space
        self._arrived.set()

    async def run(self, stop: Callable[[str, str], None]) -> None:
        """Tell of results and ends, and have the trials ended that an advisor wants ended, for ever."""
        while True:
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._arrived.wait(), _LOOK_S if self._process.advises else None)
            self._arrived.clear()
            await self._flush()
            await self._look()
            kills, self._kills = self._kills, []
            for trial_id in kills:
                stop(trial_id, f"stopped by the advisor {self._name}")

    async def close(self, *, politely: bool) -> None:
        """Tell the last ends, if `politely`, and end the process."""
        if politely:
            await self._flush()
        await self._process.close(politely=politely)

    async def _flush(self) -> None:
        async with self._order:
            if self._learnt:
                learnt, self._learnt = self._learnt, []
                await self._process.call("learn", data=learnt)
            if self._space is not None:
                space, self._space = self._space, None
                await self._process.call("update", search_space=dict(space))
            while self._metrics:
                trial_id = next(iter(self._metrics))
                await self._report(trial_id, self._metrics.pop(trial_id))
            while self._ends:
                await self._tell(self._ends.popleft())

    async def _tell(self, end: _End) -> None:
        number = self._ids.get(end.trial_id)
        if number is None:
            finals = [metric.value for metric in end.metrics if metric.kind == "FINAL"][:1]
            if finals:
                data = [{"parameter": self._earlier[end.trial_id], "value": finals[0]}]
                await self._process.call("learn", data=data)
            return
        await self._report(end.trial_id, end.metrics)
        self.forget(end.trial_id)
        del self._ids[end.trial_id]
        await self._process.call("end", id=number, status=end.status, trial_id=end.trial_id)

    async def _report(self, trial_id: str, metrics: Sequence[Reported]) -> None:
        """Tell what is new among all the metrics of a trial: for a tuner, and once, its final result."""
        number = self._ids.get(trial_id)
        told = self._told.get(trial_id, 0)
        self._told[trial_id] = len(metrics)
        final = next((metric for metric in metrics if metric.kind == "FINAL"), None)
        for metric in metrics[told:]:
            if number is not None and (metric is final or (metric.kind == "PERIODICAL" and self._process.advises)):
                await self._process.call(
                    "report",
                    id=number,
                    kind=metric.kind,
                    sequence=metric.sequence,
                    value=metric.value,
                    trial_id=trial_id,
                )

    async def _look(self) -> None:
        """Take note of what it has sent without having been asked."""
        news = await self._process.call("news")
        self.at_hand = news["at_hand"]
        self._kills += news["kills"]


class OwnAssessor:
    """An assessor of the user's own, as a judge; see Judge."""

    latest_only = False

    def __init__(self, spec: ExperimentSpec, own: Mapping[str, Any], resumed: bool) -> None:
        self.name: str = own["class_name"]
        self._process = OwnAlgorithm(spec, "assessor", own, resumed)

    async def assess(self, trial_id: str, history: list[Any]) -> bool:
        """Tell whether to go on with a trial; see Judge."""
        return bool(await self._process.call("assess", trial_id=trial_id, history=history))

    async def end(self, trial_id: str, history: list[Any], succeeded: bool) -> None:
        """Take note of a trial's end; see Judge."""
        await self._process.call("end", trial_id=trial_id, success=succeeded)

    async def close(self, *, politely: bool) -> None:
        """End the process."""
        await self._process.close(politely=politely)
