"""How tuner and assessor are let go."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from experiment_values import new_records

from ray_remote_nni.experiment import leave
from ray_remote_nni.records.reader import RecordReader


class Leaver:
    """Notes how it is closed; a deaf one never hears the polite way."""

    def __init__(self, deaf: bool) -> None:
        self.deaf = deaf
        self.closed: list[bool] = []

    async def close(self, *, politely: bool) -> None:
        if politely and self.deaf:
            await asyncio.Event().wait()
        self.closed.append(politely)


@pytest.mark.parametrize(("deaf", "closed"), [(False, [True]), (True, [False])])
def test_one_that_does_not_answer_is_ended_and_that_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, deaf: bool, closed: list[bool]
) -> None:
    monkeypatch.setattr(leave, "PATIENCE_S", 0.05)
    tuner: Any = Leaver(deaf)
    with new_records(tmp_path / "records.sqlite") as store:
        asyncio.run(leave.take_leave(store, tuner, None, politely=True))
        with RecordReader(store.path) as records:
            told = [notice.text for notice in records.notices()]

    assert tuner.closed == closed
    assert ["was still busy" in text for text in told] == [True] * deaf
