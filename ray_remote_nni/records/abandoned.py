"""An experiment whose driver died: whoever looks at it next, on the head, records that, since nobody else can."""

from __future__ import annotations

import contextlib
import sqlite3
import time
from pathlib import Path

from ray_remote_nni.errors import RayNniError
from ray_remote_nni.file_lock import try_lock
from ray_remote_nni.records.driver import driver_alive
from ray_remote_nni.records.reader import RecordReader
from ray_remote_nni.records.schema import RECORDS_FILE
from ray_remote_nni.records.store import RecordStore

#: Locked by the driver as long as it lives.
LOCK_FILE = "lock"
_DIED = "its driver died"


def close_abandoned(directory: Path) -> None:
    """Where the driver of the experiment in a folder died: record ERROR, and that its running trials are to run again.

    What cannot be written now, the disk being full, say, is left to the next who looks.
    """
    if not _is_abandoned(directory):
        return
    with contextlib.suppress(OSError, sqlite3.Error, RayNniError), (directory / LOCK_FILE).open("a") as lock:
        # Another driver may have come and gone.
        if try_lock(lock.fileno()) and _is_abandoned(directory):
            with RecordStore.open(directory / RECORDS_FILE) as store, store.together():
                with RecordReader(directory / RECORDS_FILE) as records:
                    running = records.running()
                for trial in running:
                    store.requeue_trial(trial.trial_id, "interrupted", _DIED)
                store.set_status("ERROR", _DIED)


def _is_abandoned(directory: Path) -> bool:
    try:
        with RecordReader(directory / RECORDS_FILE) as records:
            experiment = records.experiment()
    except RayNniError:
        return False
    return experiment.status == "RUNNING" and not driver_alive(experiment, time.time())
