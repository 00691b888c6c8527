"""The driver's side of the records: every method is one durable transaction."""

from __future__ import annotations

import os
import socket
import sqlite3
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any

from ray_remote_nni.errors import NotFound
from ray_remote_nni.records.connection import (
    RecordsMissing,
    RecordsUnwritable,
    check_version,
    connect_to_write,
    create_tables,
    has_tables,
    newest_rev,
    transaction,
)
from ray_remote_nni.records.driver import process_start
from ray_remote_nni.records.encoding import encode_number, to_json, to_text
from ray_remote_nni.records.model import (
    ENDED,
    ExperimentStatus,
    Metric,
    NoticeLevel,
    OptimizeMode,
    RequestRecord,
    TrialStatus,
)
from ray_remote_nni.records.schema import COLUMNS


class RecordStore:
    """The one writer of an experiment's records. Any thread may call it; calls take turns."""

    def __init__(self, path: Path) -> None:
        """Take the file as it is; `create` and `open` are the ways in."""
        self.path = path
        self._connection = connect_to_write(path)
        self._lock = threading.RLock()
        self._rev = 0

    @classmethod
    def create(
        cls,
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
        """Make the file and its folder, with a RUNNING experiment in it. `config` must hold no secrets.

        Raises FileExistsError where an experiment's records already are.
        """
        path.parent.mkdir(parents=True, exist_ok=True)
        store = cls(path)
        try:
            with transaction(store._connection):
                if has_tables(store._connection):
                    raise FileExistsError(f"{path}: there are records here already")
                create_tables(store._connection)
                store._insert(
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
            # Afterwards, so that there is no moment at which the file is more than empty and holds no tables.
            _prefer_write_ahead(store._connection)
        except BaseException:
            store.close()
            raise
        return store

    @classmethod
    def open(cls, path: Path) -> RecordStore:
        """Open existing records, a mirror of them included. Raises RecordsMissing or RecordsUnreadable."""
        if not path.exists():
            raise RecordsMissing(path)
        store = cls(path)
        try:
            check_version(store._connection, path)
            _prefer_write_ahead(store._connection)
        except BaseException:
            store.close()
            raise
        return store

    def close(self) -> None:
        """Close the file; what was committed stays."""
        with self._lock:
            self._connection.close()

    def __enter__(self) -> RecordStore:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # The experiment

    def set_status(self, status: ExperimentStatus, error: str | None = None, end_time: float | None = None) -> None:
        """Record how the experiment ended, or, with RUNNING, that it goes on. `end_time` is now unless given."""
        if status == "RUNNING":
            end_time = None
        elif end_time is None:
            end_time = time.time()
        with self._changing():
            self._update("experiment", {}, status=status, error=to_text(error), end_time=end_time)

    def set_driver(
        self, pid: int | None = None, start: int | None = None, host: str | None = None, now: float | None = None
    ) -> None:
        """Record which process writes from now on: this one unless told otherwise."""
        pid = os.getpid() if pid is None else pid
        with self._changing():
            self._update(
                "experiment",
                {},
                driver_pid=pid,
                driver_start=process_start(pid) if start is None else start,
                driver_host=socket.gethostname() if host is None else host,
                driver_time=time.time() if now is None else now,
            )

    def add_notice(self, level: NoticeLevel, text: str, trial_id: str | None = None, now: float | None = None) -> None:
        """Record something to tell the user."""
        with self._changing():
            self._add_notice(level, text, trial_id, now)

    # Trials

    def add_trial(
        self, trial_id: str, sequence: int, parameters: Mapping[str, Any], create_time: float | None = None
    ) -> None:
        """Record a WAITING trial with what the tuner suggested, before anything is done with it."""
        with self._changing():
            self._insert(
                "trials",
                trial_id=trial_id,
                sequence=sequence,
                status="WAITING",
                parameters=to_json(parameters),
                attempt=1,
                create_time=time.time() if create_time is None else create_time,
            )

    def start_attempt(self, trial_id: str, attempt: int) -> None:
        """Record that the attempt is about to be submitted: the trial is RUNNING, its start not known yet."""
        with self._changing():
            self._insert("attempts", trial_id=trial_id, attempt=attempt)
            self._update_trial(trial_id, status="RUNNING", attempt=attempt)

    def attempt_started(
        self,
        trial_id: str,
        attempt: int,
        machine: str | None,
        gpu_indices: Iterable[int] | None = None,
        start_time: float | None = None,
    ) -> None:
        """Record where and when the trial's process started; `machine` is the host as written in the config."""
        place = _place(machine, gpu_indices, start_time)
        with self._changing():
            self._update_attempt(trial_id, attempt, **place)
            self._update_trial(trial_id, **place)

    def add_metrics(self, trial_id: str, attempt: int, metrics: Iterable[Metric]) -> None:
        """Record results that were not recorded yet, in order of arrival; any number of them in one commit."""
        with self._changing():
            self._add_metrics(trial_id, attempt, metrics)

    def end_attempt(
        self,
        trial_id: str,
        attempt: int,
        end_time: float | None = None,
        exit_code: int | None = None,
        outcome: str | None = None,
        error: str | None = None,
    ) -> None:
        """Record how an attempt ended, whatever then becomes of the trial."""
        with self._changing():
            self._update_attempt(trial_id, attempt, **_end(end_time, exit_code, error), outcome=outcome)

    def requeue_trial(
        self, trial_id: str, outcome: str = "lost", error: str | None = None, end_time: float | None = None
    ) -> int | None:
        """Put a trial back to WAITING with its next attempt number, which is returned; the attempt it had is ended.

        Where the trial has ended already, nothing changes and None is returned.
        """
        with self._changing() as connection:
            row = connection.execute("SELECT status, attempt FROM trials WHERE trial_id = ?", (trial_id,)).fetchone()
            if row is None:
                raise NotFound(f"There is no trial {trial_id} in these records.")
            if row["status"] in ENDED:
                return None
            attempt = int(row["attempt"])
            unfinished = "SELECT 1 FROM attempts WHERE trial_id = ? AND attempt = ? AND end_time IS NULL"
            if connection.execute(unfinished, (trial_id, attempt)).fetchone():
                self._update_attempt(trial_id, attempt, **_end(end_time, None, error), outcome=outcome)
            nowhere = {"start_time": None, "machine": None, "gpu_indices": None}
            self._update_trial(trial_id, status="WAITING", attempt=attempt + 1, **nowhere)
            return attempt + 1

    def end_trial(
        self,
        trial_id: str,
        status: TrialStatus,
        value: float | None = None,
        metric: Any = None,
        end_time: float | None = None,
        exit_code: int | None = None,
        error: str | None = None,
    ) -> int | None:
        """Record a trial's end and return its `tuner_order`, which grows from end to end.

        The first end counts: where there is one already, nothing changes and None is returned.
        """
        with self._changing():
            return self._end_trial(trial_id, status, value, metric, **_end(end_time, exit_code, error))

    def finish(
        self,
        trial_id: str,
        attempt: int,
        status: TrialStatus,
        *,
        machine: str | None = None,
        gpu_indices: Iterable[int] | None = None,
        start_time: float | None = None,
        metrics: Iterable[Metric] = (),
        value: float | None = None,
        metric: Any = None,
        end_time: float | None = None,
        exit_code: int | None = None,
        outcome: str | None = None,
        error: str | None = None,
        notices: Iterable[tuple[NoticeLevel, str]] = (),
    ) -> int | None:
        """Record all that is left to say of a trial in one commit: a short trial's whole life, or a long one's end.

        With `machine` it does what `attempt_started` does, `metrics` are those not recorded yet; the rest is
        `end_attempt`, `end_trial` and `add_notice`. Returns what `end_trial` returns.
        """
        end_time = time.time() if end_time is None else end_time
        place = {} if machine is None else _place(machine, gpu_indices, start_time)
        with self._changing():
            self._add_metrics(trial_id, attempt, metrics)
            self._update_attempt(trial_id, attempt, **place, **_end(end_time, exit_code, error), outcome=outcome)
            for level, text in notices:
                self._add_notice(level, text, trial_id, end_time)
            return self._end_trial(trial_id, status, value, metric, **place, **_end(end_time, exit_code, error))

    # Requests of clients

    def pending_requests(self) -> list[RequestRecord]:
        """Return what clients want and did not get yet, oldest first. Cheap: call it often."""
        with self._lock:
            rows = self._connection.execute(
                "SELECT id, kind, trial_id, created FROM requests WHERE done IS NULL ORDER BY id"
            ).fetchall()
        return [RequestRecord(*row) for row in rows]

    def finish_request(self, request_id: int) -> None:
        """Record that a request was dealt with."""
        with self._changing():
            self._connection.execute("UPDATE requests SET done = ? WHERE id = ?", (time.time(), request_id))

    # Inside a transaction

    @contextmanager
    def _changing(self) -> Iterator[sqlite3.Connection]:
        try:
            with self._lock, transaction(self._connection):
                self._rev = newest_rev(self._connection)
                yield self._connection
        except sqlite3.OperationalError as error:
            raise RecordsUnwritable(self.path, error) from error

    def _next_rev(self) -> int:
        self._rev += 1
        return self._rev

    def _insert(self, table: str, **values: Any) -> None:
        names = ", ".join(values)
        marks = ", ?" * len(values)
        self._connection.execute(
            f"INSERT INTO {table} (rev, {names}) VALUES (?{marks})", (self._next_rev(), *values.values())
        )

    def _update(self, table: str, key: Mapping[str, Any], **values: Any) -> bool:
        changes = ", ".join(f"{name} = ?" for name in values)
        where = " AND ".join(f"{name} = ?" for name in key) or "1"
        cursor = self._connection.execute(
            f"UPDATE {table} SET rev = ?, {changes} WHERE {where}",
            (self._next_rev(), *values.values(), *key.values()),
        )
        return cursor.rowcount > 0

    def _update_trial(self, trial_id: str, **values: Any) -> None:
        if not self._update("trials", {"trial_id": trial_id}, **values):
            raise NotFound(f"There is no trial {trial_id} in these records.")

    def _update_attempt(self, trial_id: str, attempt: int, **values: Any) -> None:
        if not self._update("attempts", {"trial_id": trial_id, "attempt": attempt}, **values):
            self._insert("attempts", trial_id=trial_id, attempt=attempt, **values)

    def _add_metrics(self, trial_id: str, attempt: int, metrics: Iterable[Metric]) -> None:
        columns = COLUMNS["metrics"]
        rows = [
            (self._next_rev(), trial_id, attempt, sequence, kind, to_json(value), when)
            for sequence, kind, value, when in metrics
        ]
        marks = ", ".join("?" * len(columns))
        self._connection.executemany(f"INSERT INTO metrics ({', '.join(columns)}) VALUES ({marks})", rows)

    def _add_notice(self, level: NoticeLevel, text: str, trial_id: str | None, now: float | None) -> None:
        now = time.time() if now is None else now
        self._insert("notices", time=now, level=level, trial_id=trial_id, text=to_text(text))

    def _end_trial(
        self, trial_id: str, status: TrialStatus, value: float | None, metric: Any, **values: Any
    ) -> int | None:
        if status not in ENDED:
            raise ValueError(f"{status} is not the end of a trial")
        row = self._connection.execute("SELECT status FROM trials WHERE trial_id = ?", (trial_id,)).fetchone()
        if row is not None and row[0] in ENDED:
            return None
        order = self._next_rev()
        self._update_trial(
            trial_id,
            status=status,
            value=encode_number(value),
            metric=None if metric is None else to_json(metric),
            tuner_order=order,
            **values,
        )
        return order


def _place(machine: str | None, gpu_indices: Iterable[int] | None, start_time: float | None) -> dict[str, Any]:
    return {
        "machine": machine,
        "gpu_indices": None if gpu_indices is None else to_json(list(gpu_indices)),
        "start_time": time.time() if start_time is None else start_time,
    }


def _end(end_time: float | None, exit_code: int | None, error: str | None) -> dict[str, Any]:
    return {
        "end_time": time.time() if end_time is None else end_time,
        "exit_code": exit_code,
        "error": to_text(error),
    }


def _prefer_write_ahead(connection: sqlite3.Connection) -> None:
    # Readers and the writer do not wait for one another then. On a file system that cannot do it (some network ones)
    # SQLite stays with its rollback journal, with which everything still works.
    connection.execute("PRAGMA journal_mode = WAL")
