from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from ray_remote_nni.records import RECORDS_FILE, RecordReader, RecordStore, create_records

START = 1_795_508_130.120


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "k3f9x2ab" / RECORDS_FILE


@pytest.fixture
def store(path: Path) -> Iterator[RecordStore]:
    with create_records(
        path,
        experiment_id="k3f9x2ab",
        config={"trialCommand": "python3 t.py"},
        search_space={"x": {"_type": "uniform", "_value": [0, 1]}},
        max_trial_number=20,
        trial_concurrency=4,
        seed=7,
        start_time=START,
    ) as store:
        yield store


@pytest.fixture
def reader(store: RecordStore, path: Path) -> Iterator[RecordReader]:
    with RecordReader(path) as reader:
        yield reader
