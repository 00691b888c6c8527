"""What clients ask of an experiment's driver, through the head: also one of an earlier version."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from this_machine import cluster, record_on_head

from ray_remote_nni.cluster.local import LocalTransport
from ray_remote_nni.experiment.head import Head
from ray_remote_nni.experiment.registry import ExperimentEntry
from ray_remote_nni.experiment.stop import send_request

RESULTS: list[Any] = [{"parameter": {"x": x}, "value": 1.0} for x in (0.1, 0.2)]


def taken(home: Path, entry: ExperimentEntry, results: list[Any]) -> list[int]:
    return asyncio.run(send_request(entry, Head(cluster(home), LocalTransport()), "import", payload=results))


def test_results_are_imported_once(home: Path, entry: ExperimentEntry) -> None:
    record_on_head(home)
    assert taken(home, entry, RESULTS[:1]) == [0]
    assert taken(home, entry, RESULTS) == [1]
    assert taken(home, entry, RESULTS) == []


@pytest.mark.parametrize("said", ["", "print('welcome')"])
def test_a_head_of_an_earlier_version_imports_all_of_them_and_does_not_say(
    home: Path, entry: ExperimentEntry, said: str
) -> None:
    library = home / ".ray-nni/lib/ray-nni-lib"
    library.unlink()
    (library / "ray_remote_nni/records").mkdir(parents=True)
    (library / "ray_remote_nni/records/requests.py").write_text(f"def main():\n    {said or 'pass'}\n    return 0\n")
    assert taken(home, entry, RESULTS) == [0, 1]
