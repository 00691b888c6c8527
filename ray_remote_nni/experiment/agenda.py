"""What runs next: the trials that wait, then what the tuner suggests, until there is neither."""

from __future__ import annotations

import asyncio
import secrets
import string
import time
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ray_remote_nni.experiment.suggestions import Suggests
from ray_remote_nni.records.model import TrialRecord
from ray_remote_nni.records.store import RecordStore
from ray_remote_nni.trial.spec import Reported

_ID_LETTERS = string.ascii_letters + string.digits


@dataclass(frozen=True)
class Waiting:
    """A trial that is to run: its next attempt, with its parameters."""

    trial_id: str
    sequence: int
    attempt: int
    parameters: Mapping[str, Any]


@dataclass(frozen=True)
class _Question:
    """What the tuner has been asked for: a trial's id, since when, how many ends there were, and its answer to come."""

    trial_id: str
    since: float
    ends: int
    answer: asyncio.Task[dict[str, Any] | None]


class Agenda:
    """Says which trial is next. Trials among the records that have not ended come first."""

    def __init__(self, store: RecordStore, suggestions: Suggests, trials: Sequence[TrialRecord]) -> None:
        self._store = store
        self._suggestions = suggestions
        self._waiting = deque(Waiting(t.trial_id, t.sequence, t.attempt, t.parameters) for t in trials if not t.ended)
        self._ids = {trial.trial_id.lower() for trial in trials}
        self._sequence = len(trials)
        self._by_hand: set[str] = set()
        self._exhausted = False
        self._ends = 0
        self._question: _Question | None = None
        self._interrupted = asyncio.Event()

    def is_empty(self, limit: int | None) -> bool:
        """Whether nothing is left to run, where `limit` is the most trials that there may be."""
        exhausted = self._exhausted and not self._suggestions.at_hand
        return not self._waiting and (exhausted or (limit is not None and self._sequence >= limit))

    def add(self, trial: Waiting) -> None:
        """Have a trial run after those that wait already; the records say so."""
        self._waiting.append(trial)

    def set_by_hand(self, parameters: Mapping[str, Any]) -> str:
        """Have a trial with these parameters run next, and return its id. The tuner learns of it and of its end."""
        trial = Waiting(self._new_id(), self._sequence, 1, parameters)
        known = self._suggestions.ends_known
        self._store.add_trial(trial.trial_id, trial.sequence, parameters, ends_before=known)
        self._sequence += 1
        self._suggestions.adopt(trial.trial_id, parameters)
        # Behind those that were set by hand before.
        place = sum(other.trial_id in self._by_hand for other in self._waiting)
        self._waiting.insert(place, trial)
        self._by_hand.add(trial.trial_id)
        return trial.trial_id

    def remove(self, trial_id: str) -> Waiting | None:
        """Take out a trial that waits; None where it does not."""
        found = next((trial for trial in self._waiting if trial.trial_id == trial_id), None)
        if found is not None:
            self._waiting.remove(found)
        return found

    async def next(self, *, alone: bool) -> Waiting | None:
        """Return the trial to start now, which the records call RUNNING from here on; None where there is none now.

        `alone` says that no trial runs, so that there will not be one later either.
        """
        if self._waiting:
            trial = self._waiting.popleft()
            self._store.start_attempt(trial.trial_id, trial.attempt)
            return trial
        self._interrupted.clear()
        while True:
            question = self._ask()
            await self._until_interrupted(question.answer)
            if self._interrupted.is_set():
                return None
            self._question = None
            parameters = question.answer.result()
            # While the tuner was thinking, what it waited for may have come to its end, and nobody else asks again.
            if parameters is not None or self._ends == question.ends or not self._suggestions.asks_again:
                break
        if parameters is None:
            self._exhausted = True
            if alone or not self._suggestions.asks_again:
                self._store.add_notice("info", "the search space is used up: there is nothing left to try")
            return None
        trial = Waiting(question.trial_id, self._sequence, 1, parameters)
        known = self._suggestions.ends_known
        self._store.add_trial(trial.trial_id, trial.sequence, parameters, start=True, ends_before=known)
        self._sequence += 1
        return trial

    def ended(self, trial_id: str, value: float | None, metrics: Sequence[Reported], *, succeeded: bool) -> None:
        """Tell the tuner of a trial's end, which is in the records."""
        self._ends += 1
        self._suggestions.ended(trial_id, value, metrics, succeeded=succeeded)
        if self._suggestions.asks_again:
            self._exhausted = False

    def reopen(self) -> None:
        """Ask the tuner again, though it had nothing left: its search space is another one."""
        self._exhausted = False

    @property
    def thinking_s(self) -> float:
        """For how many seconds the tuner has been thinking of the next parameters; 0 where it is not."""
        return 0.0 if self._question is None else time.monotonic() - self._question.since

    def interrupt(self) -> None:
        """Have `next` return None now: a tuner that is thinking is not waited for.

        It goes on thinking, and what it suggests is for whoever asks next.
        """
        self._interrupted.set()

    def close(self) -> None:
        """Want no answer any more of a tuner that is still thinking."""
        if self._question is not None:
            self._question.answer.cancel()

    def _ask(self) -> _Question:
        """Ask the tuner, unless it still owes an answer."""
        if self._question is None:
            trial_id = self._new_id()
            answer = asyncio.ensure_future(self._suggestions.ask(trial_id))
            self._question = _Question(trial_id, time.monotonic(), self._ends, answer)
        return self._question

    async def _until_interrupted(self, answer: asyncio.Task[Any]) -> None:
        interrupted = asyncio.ensure_future(self._interrupted.wait())
        try:
            await asyncio.wait((answer, interrupted), return_when=asyncio.FIRST_COMPLETED)
        finally:
            interrupted.cancel()

    def _new_id(self) -> str:
        while True:
            trial_id = "".join(secrets.choice(_ID_LETTERS) for _ in range(5))
            # A folder is named after it, and some file systems do not tell capitals from small letters.
            if trial_id.lower() not in self._ids:
                self._ids.add(trial_id.lower())
                return trial_id
