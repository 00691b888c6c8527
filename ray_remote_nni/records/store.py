"""The driver's side of the records: every method is one durable transaction."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from types import TracebackType
from typing import Any

from ray_remote_nni.records.connection import RecordsMissing, check_version
from ray_remote_nni.records.driver import process_start
from ray_remote_nni.records.encoding import from_json, to_json, to_text
from ray_remote_nni.records.model import (
    ENDED,
    ExperimentStatus,
    Metric,
    NoticeLevel,
    RequestRecord,
    TrialStatus,
)
from ray_remote_nni.records.rows import TrialRows, end_columns, place_columns
from ray_remote_nni.records.writer import Writer


class RecordStore:
    """The one writer of an experiment's records. Any thread may call it; calls take turns."""

    def __init__(self, path: Path) -> None:
        """Take the file as it is; `create_records` and `open` are the ways in."""
        self.path = path
        self._writer = Writer(path)
        self._rows = TrialRows(self._writer)

    @classmethod
    def open(cls, path: Path) -> RecordStore:
        """Open existing records, a mirror of them included. Raises RecordsMissing or RecordsUnreadable."""
        if not path.exists():
            raise RecordsMissing(path)
        store = cls(path)
        try:
            check_version(store._writer.connection, path)
            store._writer.prefer_write_ahead()
        except BaseException:
            store.close()
            raise
        return store

    def close(self) -> None:
        """Close the file; what was committed stays."""
        self._writer.close()

    def __enter__(self) -> RecordStore:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def together(self) -> AbstractContextManager[None]:
        """Make one transaction of all that is recorded inside: one wait for the disk, all of it or nothing."""
        return self._writer.changing()

    # The experiment

    def set_status(self, status: ExperimentStatus, error: str | None = None, end_time: float | None = None) -> None:
        """Record how the experiment ended, or, with RUNNING, that it goes on. `end_time` is now unless given."""
        if status == "RUNNING":
            end_time = None
        elif end_time is None:
            end_time = time.time()
        with self._writer.changing():
            self._writer.update("experiment", {}, status=status, error=to_text(error), end_time=end_time)

    def change_experiment(
        self,
        *,
        config: Mapping[str, Any],
        search_space: Mapping[str, Any],
        max_trial_number: int | None,
        trial_concurrency: int,
    ) -> None:
        """Record what the user has changed while it runs."""
        with self._writer.changing():
            self._writer.update(
                "experiment",
                {},
                config=to_json(config),
                search_space=to_json(search_space),
                max_trial_number=max_trial_number,
                trial_concurrency=trial_concurrency,
            )

    def set_driver(
        self, pid: int | None = None, start: int | None = None, host: str | None = None, now: float | None = None
    ) -> None:
        """Record which process writes from now on: this one unless told otherwise."""
        pid = os.getpid() if pid is None else pid
        with self._writer.changing():
            self._writer.update(
                "experiment",
                {},
                driver_pid=pid,
                driver_start=process_start(pid) if start is None else start,
                driver_host=socket.gethostname() if host is None else host,
                driver_time=time.time() if now is None else now,
            )

    def add_notice(self, level: NoticeLevel, text: str, trial_id: str | None = None, now: float | None = None) -> None:
        """Record something to tell the user."""
        with self._writer.changing():
            self._rows.add_notice(level, text, trial_id, now)

    # Trials

    def add_trial(
        self,
        trial_id: str,
        sequence: int,
        parameters: Mapping[str, Any],
        create_time: float | None = None,
        *,
        start: bool = False,
        ends_before: int = 0,
    ) -> None:
        """Record a WAITING trial with what the tuner suggested, before anything is done with it.

        `ends_before` says how many ends of trials the tuner knew by then, of those in the order of `tuner_order`.

        With `start` its first attempt is recorded too, as `start_attempt` does, in the same commit.
        """
        with self._writer.changing():
            self._writer.insert(
                "trials",
                trial_id=trial_id,
                sequence=sequence,
                status="RUNNING" if start else "WAITING",
                parameters=to_json(parameters),
                attempt=1,
                create_time=time.time() if create_time is None else create_time,
                ends_before=ends_before,
            )
            if start:
                self._writer.insert("attempts", trial_id=trial_id, attempt=1)

    def start_attempt(self, trial_id: str, attempt: int) -> None:
        """Record that the attempt is about to be submitted: the trial is RUNNING, its start not known yet."""
        with self._writer.changing():
            self._writer.insert("attempts", trial_id=trial_id, attempt=attempt)
            self._rows.update_trial(trial_id, status="RUNNING", attempt=attempt)

    def attempt_started(
        self,
        trial_id: str,
        attempt: int,
        machine: str | None,
        gpu_indices: Iterable[int] | None = None,
        start_time: float | None = None,
    ) -> None:
        """Record where and when the trial's process started; `machine` is what tells it from others."""
        place = place_columns(machine, gpu_indices, start_time)
        with self._writer.changing():
            self._rows.update_attempt(trial_id, attempt, **place)
            self._rows.update_trial(trial_id, **place)

    def add_metrics(self, trial_id: str, attempt: int, metrics: Iterable[Metric]) -> None:
        """Record results that were not recorded yet, in order of arrival; any number of them in one commit."""
        with self._writer.changing():
            self._rows.add_metrics(trial_id, attempt, metrics)

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
        with self._writer.changing():
            self._rows.update_attempt(trial_id, attempt, **end_columns(end_time, exit_code, error), outcome=outcome)

    def requeue_trial(
        self, trial_id: str, outcome: str = "lost", error: str | None = None, end_time: float | None = None
    ) -> int | None:
        """Put a trial back to WAITING with its next attempt number, which is returned; the attempt it had is ended.

        Where the trial has ended already, nothing changes and None is returned.
        """
        with self._writer.changing():
            status, attempt = self._rows.trial(trial_id)
            if status in ENDED:
                return None
            unfinished = "SELECT 1 FROM attempts WHERE trial_id = ? AND attempt = ? AND end_time IS NULL"
            if self._writer.rows(unfinished, trial_id, attempt):
                self._rows.update_attempt(trial_id, attempt, **end_columns(end_time, None, error), outcome=outcome)
            nowhere = {"start_time": None, "machine": None, "gpu_indices": None}
            self._rows.update_trial(trial_id, status="WAITING", attempt=attempt + 1, **nowhere)
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
        with self._writer.changing():
            return self._rows.end_trial(trial_id, status, value, metric, **end_columns(end_time, exit_code, error))

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
        place = {} if machine is None else place_columns(machine, gpu_indices, start_time)
        with self._writer.changing():
            self._rows.add_metrics(trial_id, attempt, metrics)
            self._rows.update_attempt(
                trial_id, attempt, **place, **end_columns(end_time, exit_code, error), outcome=outcome
            )
            for level, text in notices:
                self._rows.add_notice(level, text, trial_id, end_time)
            return self._rows.end_trial(
                trial_id, status, value, metric, **place, **end_columns(end_time, exit_code, error)
            )

    # Requests of clients

    def pending_requests(self) -> list[RequestRecord]:
        """Return what clients want and did not get yet, oldest first. Cheap: call it often."""
        pending = "SELECT id, kind, trial_id, created, payload FROM requests WHERE done IS NULL ORDER BY id"
        return [
            RequestRecord(number, kind, trial_id, created, from_json(payload))
            for number, kind, trial_id, created, payload in self._writer.rows(pending)
        ]

    def finish_request(self, request_id: int) -> None:
        """Record that a request was dealt with."""
        with self._writer.changing():
            self._writer.rows("UPDATE requests SET done = ? WHERE id = ?", time.time(), request_id)
