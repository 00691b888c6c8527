"""What runs next."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from experiment_values import new_records

from ray_remote_nni.experiment.agenda import Agenda
from ray_remote_nni.records import RecordReader


class Halving:
    """Suggests two trials, and a third one only to whoever asks after both have ended."""

    asks_again = False
    ends_known = 0

    def __init__(self) -> None:
        self.asked = 0
        self.thinking = asyncio.Event()
        self.thought = asyncio.Event()
        self._ends = 0

    async def ask(self, trial_id: str) -> dict[str, Any] | None:
        self.ends_known = self._ends
        if self.asked == 2 and self.ends_known < 2:
            self.thinking.set()
            await self.thought.wait()
            self.asks_again = True
            return None
        self.asks_again = False
        self.asked += 1
        return {"x": self.asked}

    def ended(
        self, trial_id: str, value: float | None, metrics: Sequence[Any] = (), *, succeeded: bool = False
    ) -> None:
        self._ends += 1


def test_a_trial_that_ends_while_the_tuner_thinks_is_not_forgotten(tmp_path: Path) -> None:
    file = tmp_path / "records.sqlite"

    async def experiment() -> None:
        tuner = Halving()
        with new_records(file) as store:
            agenda = Agenda(store, tuner, [])  # type: ignore[arg-type]
            trials = [await agenda.next(alone=False) for _ in range(2)]
            third = asyncio.ensure_future(agenda.next(alone=False))
            await tuner.thinking.wait()
            for trial in trials:
                assert trial is not None
                agenda.ended(trial.trial_id, 1.0, [], succeeded=True)
            tuner.thought.set()
            found = await third
            assert found is not None
            assert found.parameters == {"x": 3}

    asyncio.run(experiment())
    with RecordReader(file) as reader:
        assert [trial.ends_before for trial in reader.trials()] == [0, 0, 2]
