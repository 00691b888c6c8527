from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from screens import START

from ray_remote_nni.records import RECORDS_FILE, RecordReader, RecordStore, create_records

SEARCH_SPACE = {
    "lr": {"_type": "loguniform", "_value": [0.001, 0.1]},
    "layer": {
        "_type": "choice",
        "_value": [{"_name": "none"}, {"_name": "conv", "size": {"_type": "choice", "_value": [3, 5]}}],
    },
}


@pytest.fixture
def store(tmp_path: Path) -> Iterator[RecordStore]:
    with create_records(
        tmp_path / RECORDS_FILE,
        experiment_id="k3f9x2ab",
        name="digits",
        config={"trialCommand": "python3 digits.py", "tuner": {"name": "TPE"}},
        search_space=SEARCH_SPACE,
        max_trial_number=20,
        trial_concurrency=4,
        seed=7,
        start_time=START,
    ) as store:
        yield store


@pytest.fixture
def reader(store: RecordStore, tmp_path: Path) -> Iterator[RecordReader]:
    with RecordReader(tmp_path / RECORDS_FILE) as reader:
        yield reader


@pytest.fixture
def add(store: RecordStore) -> Callable[..., None]:
    """Add a trial: running for `value` None, else ended with that value, or FAILED for a text."""

    def add(sequence: int, value: float | str | None = None, **parameters: object) -> None:
        trial_id = f"t{sequence:04}"
        store.add_trial(trial_id, sequence, parameters, create_time=START)
        store.start_attempt(trial_id, 1)
        if value is None:
            store.attempt_started(trial_id, 1, "192.0.2.1", None, start_time=START)
        elif isinstance(value, str):
            store.finish(
                trial_id, 1, "FAILED", machine="192.0.2.1", start_time=START, end_time=START, exit_code=1, error=value
            )
        else:
            store.finish(
                trial_id,
                1,
                "SUCCEEDED",
                machine="192.0.2.1",
                start_time=START,
                end_time=START + 42,
                value=value,
                metric=value,
                exit_code=0,
            )

    return add
