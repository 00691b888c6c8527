"""What is left of an experiment whose code does not get through."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast

import pytest
from experiment_values import experiment_entry

from ray_remote_nni.errors import MachineError, RayNniError, UsageError
from ray_remote_nni.experiment import submit
from ray_remote_nni.experiment.head import Head
from ray_remote_nni.experiment.registry import ExperimentEntry, all_experiments
from ray_remote_nni.experiment.submit import start_while_sending
from ray_remote_nni.experiment.upload import Code, CodeNotTaken, Sent
from ray_remote_nni.trial.manifest import Manifest

LOST = MachineError("head", "the connection was lost.")


@pytest.mark.parametrize(
    ("files_sent", "error", "kept"),
    [
        (2, LOST, True),
        (1, LOST, False),
        (2, CodeNotTaken("head", "it did not take the code: no space."), False),
        (1, UsageError("train.py changed while it was read."), False),
    ],
)
def test_an_experiment_that_may_run_is_remembered_and_one_that_cannot_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, files_sent: int, error: RayNniError, kept: bool
) -> None:
    @asynccontextmanager
    async def sending(_: Any, __: Any, progress: Callable[[Sent], None]) -> AsyncIterator[None]:
        progress(Sent(10 * files_sent, 20, files_sent, 2))
        yield
        raise error

    async def start_driver(entry: ExperimentEntry, _: Head) -> ExperimentEntry:
        entry.save()
        return entry

    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(submit, "sending_code", sending)
    monkeypatch.setattr(submit, "start_driver", start_driver)
    entry = experiment_entry(tmp_path / "results")
    with pytest.raises(type(error)):
        asyncio.run(start_while_sending(entry, Code(tmp_path, Manifest(())), cast(Head, None), lambda _: None))
    assert all_experiments() == ([entry] if kept else [])
