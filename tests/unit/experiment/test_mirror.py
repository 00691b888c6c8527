"""The client's mirror of an experiment's records: like those of the head, and kept so."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from this_machine import cluster, record_on_head

from ray_remote_nni.cluster.local import LocalTransport
from ray_remote_nni.cluster.transport import quote
from ray_remote_nni.experiment.head import Head
from ray_remote_nni.experiment.mirror import catch_up, follow
from ray_remote_nni.experiment.registry import ExperimentEntry
from ray_remote_nni.records.reader import RecordReader


def test_a_mirror_has_what_the_head_has(home: Path, entry: ExperimentEntry) -> None:
    record_on_head(home, ("aB3dE", "localhost"))
    pulse = asyncio.run(catch_up(entry, Head(cluster(home), LocalTransport())))
    assert pulse is not None
    assert (pulse.status, pulse.driver_alive) == ("DONE", False)
    with (
        RecordReader(entry.mirror) as here,
        RecordReader(home / ".ray-nni" / "experiments" / "exp12345" / "records.sqlite") as there,
    ):
        assert here.trials() == there.trials()


@pytest.mark.parametrize(
    "noise", ["{ welcome to the lab }", '{"maintenance": "Sunday"}', '{"end": 9, "status": "RUNNING"}']
)
def test_a_login_shell_that_greets_in_braces_is_not_taken_for_the_head(
    home: Path, entry: ExperimentEntry, noise: str
) -> None:
    class Greeting(LocalTransport):
        def run(self, command: str) -> Any:
            return super().run(f"echo {quote(noise)}; {command}")

    record_on_head(home, ("aB3dE", "localhost"))
    pulse = asyncio.run(catch_up(entry, Head(cluster(home), Greeting())))
    assert pulse is not None
    assert pulse.status == "DONE"
    with RecordReader(entry.mirror) as here:
        assert [trial.trial_id for trial in here.trials()] == ["aB3dE"]


def test_catching_up_twice_changes_nothing(home: Path, entry: ExperimentEntry) -> None:
    record_on_head(home, ("aB3dE", "localhost"))
    head = Head(cluster(home), LocalTransport())
    asyncio.run(catch_up(entry, head))
    with RecordReader(entry.mirror) as records:
        before = records.trials()
    asyncio.run(catch_up(entry, head))
    with RecordReader(entry.mirror) as records:
        assert records.trials() == before


def test_a_head_without_these_records_has_no_pulse(home: Path, entry: ExperimentEntry) -> None:
    assert asyncio.run(catch_up(entry, Head(cluster(home), LocalTransport()))) is None
    assert not entry.mirror.exists()


def test_following_ends_with_the_experiment(home: Path, entry: ExperimentEntry) -> None:
    record_on_head(home, ("aB3dE", "localhost"))

    async def up() -> list[str]:
        return [pulse.status async for pulse in follow(entry, Head(cluster(home), LocalTransport()))]

    assert asyncio.run(up())[-1] == "DONE"
