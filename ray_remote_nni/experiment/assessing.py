"""Early stopping: the intermediate results of running trials go to an assessor, and its verdicts come back."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from ray_remote_nni.assessor import Assessor
from ray_remote_nni.records.model import TrialRecord
from ray_remote_nni.trial.metrics import default_value
from ray_remote_nni.trial.spec import Reported
from ray_remote_nni.words import plural


class Judge(Protocol):
    """An assessor as the driver deals with it; it is asked one thing at a time."""

    #: What a person calls it.
    name: str
    #: Whether of several results that have arrived together only the latest is worth a question.
    latest_only: bool

    async def assess(self, trial_id: str, history: list[Any]) -> bool:
        """Tell whether to go on with a trial that has reported `history`; the list is the trial's, and grows."""
        ...

    async def end(self, trial_id: str, history: list[Any], succeeded: bool) -> None:
        """Take note of the end of a trial that has reported `history`."""
        ...

    async def close(self, *, politely: bool) -> None:
        """End what it runs in; `politely` it is told so first."""
        ...


class BuiltIn:
    """One of our assessors, which judge numbers. A trial with a result that has none is not judged any more."""

    def __init__(self, name: str, assessor: Assessor) -> None:
        self.name = name
        self._assessor = assessor
        self.latest_only = assessor.slow

    async def assess(self, trial_id: str, history: list[Any]) -> bool:
        """Tell whether to go on with a trial; see Judge."""
        values = _numbers(history)
        if values is None:
            return True
        if self._assessor.slow:
            return await asyncio.to_thread(self._assessor.assess, trial_id, values)
        return self._assessor.assess(trial_id, values)

    async def end(self, trial_id: str, history: list[Any], succeeded: bool) -> None:
        """Take note of a trial's end; see Judge."""
        values = _numbers(history)
        self._assessor.end(trial_id, values or (), succeeded=succeeded and values is not None)

    async def close(self, *, politely: bool) -> None:
        """Do nothing: it runs in this process."""

    def learn(self, trials: Sequence[TrialRecord]) -> None:
        """Take the ends of an earlier driver's trials, in their order."""
        for trial in trials:
            values = _numbers(trial.intermediate)
            if trial.status == "SUCCEEDED" and values:
                self._assessor.end(trial.trial_id, values, succeeded=True)


@dataclass
class _Following:
    """What is known of a running trial. `taken` counts its metrics, `early` has those that came before their turn."""

    taken: int = 0
    history: list[Any] = field(default_factory=list)
    early: dict[int, Any] = field(default_factory=dict)
    condemned: bool = False

    def add(self, metrics: Sequence[Reported]) -> int:
        """Take in what is new in a trial's metrics; return how many results have found their place in its history.

        The order is that of their sequence numbers, as in NNI, up to the first gap.
        """
        for metric in metrics[self.taken :]:
            if metric.kind == "PERIODICAL" and metric.sequence >= len(self.history):
                self.early.setdefault(metric.sequence, metric.value)
        self.taken = len(metrics)
        before = len(self.history)
        while (place := len(self.history)) in self.early:
            self.history.append(self.early.pop(place))
        return len(self.history) - before


@dataclass(frozen=True)
class _End:
    trial_id: str
    metrics: Sequence[Reported]
    succeeded: bool


class Assessing:
    """Feeds a judge; `stop(trial_id, why)` is called, once, for a trial that it finds bad.

    `take`, `ended` and `forget` cost next to nothing: `run` does the work, and must be kept running.
    """

    def __init__(self, judge: Judge, stop: Callable[[str, str], None]) -> None:
        self._judge = judge
        self._stop = stop
        self._following: dict[str, _Following] = {}
        self._waiting: dict[str, Sequence[Reported]] = {}
        self._ends: list[_End] = []
        self._arrived = asyncio.Event()
        self._order = asyncio.Lock()

    def take(self, trial_id: str, metrics: Sequence[Reported]) -> None:
        """Take all metrics that a running trial has reported so far."""
        self._waiting[trial_id] = metrics
        self._arrived.set()

    def ended(self, trial_id: str, metrics: Sequence[Reported], *, succeeded: bool) -> None:
        """Take a trial's end, with all that it has reported."""
        self._waiting.pop(trial_id, None)
        self._ends.append(_End(trial_id, metrics, succeeded))
        self._arrived.set()

    def forget(self, trial_id: str) -> None:
        """Forget what a trial has reported: it runs again."""
        self._waiting.pop(trial_id, None)
        self._following.pop(trial_id, None)

    async def run(self) -> None:
        """Pass everything on as it comes, for ever."""
        while True:
            await self._arrived.wait()
            self._arrived.clear()
            await self.settle()

    async def settle(self) -> None:
        """Pass on what has arrived."""
        async with self._order:
            await self._settle()

    async def close(self, *, politely: bool) -> None:
        """Have the judge leave, `politely` after it has heard all."""
        if politely:
            await self.settle()
        await self._judge.close(politely=politely)

    async def _settle(self) -> None:
        while self._ends or self._waiting:
            ends, self._ends = self._ends, []
            for end in ends:
                await self._end(end)
            if self._waiting:
                trial_id = next(iter(self._waiting))
                await self._assess(trial_id, self._waiting.pop(trial_id))

    async def _assess(self, trial_id: str, metrics: Sequence[Reported]) -> None:
        trial = self._following.setdefault(trial_id, _Following())
        added = trial.add(metrics)
        if added and not trial.condemned and not await self._good(trial_id, trial, added):
            trial.condemned = True
            count = len(trial.history)
            self._stop(
                trial_id, f"stopped by the assessor {self._judge.name} after {plural(count, 'intermediate result')}"
            )

    async def _end(self, end: _End) -> None:
        trial = self._following.pop(end.trial_id, _Following())
        added = trial.add(end.metrics)
        if added and not trial.condemned and not self._judge.latest_only:
            # Too late to stop it. That it is told nevertheless is what NNI's assessors are used to.
            await self._good(end.trial_id, trial, added)
        if trial.history:
            await self._judge.end(end.trial_id, trial.history, end.succeeded)

    async def _good(self, trial_id: str, trial: _Following, added: int) -> bool:
        """Tell whether a trial is good after each of its latest `added` results."""
        whole = trial.history
        if self._judge.latest_only:
            return await self._judge.assess(trial_id, whole)
        for length in range(len(whole) - added + 1, len(whole) + 1):
            if not await self._judge.assess(trial_id, whole if length == len(whole) else whole[:length]):
                return False
        return True


def _numbers(history: Sequence[Any]) -> list[float] | None:
    values = [default_value(value) for value in history]
    return None if None in values else [value for value in values if value is not None]
