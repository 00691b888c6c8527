"""How the records of a new experiment come to be."""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

from ray_remote_nni.records.encoding import to_json
from ray_remote_nni.records.model import OptimizeMode
from ray_remote_nni.records.store import RecordStore
from ray_remote_nni.records.writer import Writer


def create_records(
    path: Path,
    *,
    experiment_id: str,
    config: Mapping[str, Any],
    search_space: Mapping[str, Any],
    name: str | None = None,
    optimize_mode: OptimizeMode = "maximize",
    max_trial_number: int | None = None,
    trial_concurrency: int = 1,
    seed: int | None = None,
    start_time: float | None = None,
) -> RecordStore:
    """Make the file and its folder, with a RUNNING experiment in it, and open it. `config` must hold no secrets.

    `start_time` is in seconds since the epoch, now unless given. Raises FileExistsError where an experiment's records
    already are, RecordsUnwritable where none can be.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with closing(Writer(path)) as writer, writer.creating():
        writer.insert(
            "experiment",
            id=experiment_id,
            name=name,
            status="RUNNING",
            start_time=time.time() if start_time is None else start_time,
            config=to_json(config),
            search_space=to_json(search_space),
            optimize_mode=optimize_mode,
            max_trial_number=max_trial_number,
            trial_concurrency=trial_concurrency,
            seed=seed,
        )
    # Opened afterwards, which changes the kind of journal: so there is no moment at which the file is more than empty
    # and holds no tables.
    return RecordStore.open(path)
