"""The reading side of the records: beside the driver, or on a mirror, or on what is left of either."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, cast

from ray_remote_nni.errors import NotFound
from ray_remote_nni.records.connection import RecordsUnreadable, connect_to_read, newest_rev, transaction
from ray_remote_nni.records.encoding import decode_number, from_json
from ray_remote_nni.records.model import (
    ENDED,
    AttemptRecord,
    EarlierResult,
    ExperimentRecord,
    NoticeRecord,
    TrialRecord,
    TrialStatus,
)


class RecordReader:
    """Reads an experiment's records; each method sees one committed state. Any thread may call it.

    Raises RecordsMissing or RecordsUnreadable where there is nothing to read.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._connection = connect_to_read(path)
        self._lock = threading.RLock()

    def close(self) -> None:
        """Let go of the file."""
        with self._lock:
            self._connection.close()

    def __enter__(self) -> RecordReader:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @contextmanager
    def snapshot(self) -> Iterator[RecordReader]:
        """Let all that is read inside come from one committed state."""
        with self._lock:
            if self._connection.in_transaction:
                yield self
            else:
                with transaction(self._connection, "DEFERRED"):
                    yield self

    def rev(self) -> int:
        """Return the newest revision."""
        with self._lock:
            return newest_rev(self._connection)

    def experiment(self) -> ExperimentRecord:
        """Return the experiment."""
        rows = self._rows("SELECT * FROM experiment")
        if not rows:
            raise RecordsUnreadable(self.path, "holds no experiment yet.")
        values = dict(rows[0])
        del values["rev"]
        values["config"] = from_json(values["config"])
        values["search_space"] = from_json(values["search_space"])
        return ExperimentRecord(**values)

    def trials(self) -> list[TrialRecord]:
        """Return all trials in order of sequence, each with its latest attempt's intermediate results."""
        return self._trials("ORDER BY sequence")

    def trial(self, trial_id: str) -> TrialRecord:
        """Return one trial. Raises NotFound."""
        found = self._trials("WHERE trial_id = ?", trial_id)
        if not found:
            raise NotFound(f"There is no trial {trial_id} in experiment {self.experiment().id}.")
        return found[0]

    def finished_for_replay(self) -> list[TrialRecord]:
        """Return the ended trials in the order in which the tuner learnt of their ends.

        Their intermediate results are left out.
        """
        return self._trials("WHERE tuner_order IS NOT NULL ORDER BY tuner_order", intermediate=False)

    def learnt(self) -> list[EarlierResult]:
        """Return the results of elsewhere that the tuner was given, in that order; a mirror has none of them."""
        rows = self._rows("SELECT payload FROM requests WHERE kind = 'import' AND done IS NOT NULL ORDER BY id")
        return [result for (payload,) in rows for result in from_json(payload)]

    def requests_left(self) -> int:
        """Return how many requests, other than to stop, the next driver finds; a mirror has none of them."""
        (row,) = self._rows("SELECT count(*) FROM requests WHERE kind <> 'stop' AND done IS NULL")
        return int(row[0])

    def running(self) -> list[TrialRecord]:
        """Return the trials that run, in order of sequence; of intermediate results only the last."""
        with self.snapshot():
            trials = self._trials("WHERE status = 'RUNNING' ORDER BY sequence", intermediate=False)
            return [_with_intermediate(trial, self._last_intermediate(trial)) for trial in trials]

    def counts(self) -> dict[TrialStatus, int]:
        """Return how many trials are in each state; states without a trial are left out."""
        rows = self._rows("SELECT status, count(*) FROM trials GROUP BY status ORDER BY status")
        return {cast(TrialStatus, status): count for status, count in rows}

    def ended(self) -> int:
        """Return how many trials have ended."""
        return sum(count for status, count in self.counts().items() if status in ENDED)

    def machines(self) -> dict[str, int]:
        """Return how many trials each machine has had in its latest attempt, by the host as written in the config."""
        rows = self._rows(
            "SELECT machine, count(*) FROM trials WHERE machine IS NOT NULL GROUP BY machine ORDER BY machine"
        )
        return {machine: count for machine, count in rows}

    def best(self) -> TrialRecord | None:
        """Return the SUCCEEDED trial with the best finite value under the experiment's optimize_mode.

        Of equals the first in sequence; None without any. Its intermediate results are left out.
        """
        with self.snapshot():
            direction = "ASC" if self.experiment().optimize_mode == "minimize" else "DESC"
            found = self._trials(
                "WHERE status = 'SUCCEEDED' AND typeof(value) IN ('integer', 'real') "
                f"ORDER BY value {direction}, sequence LIMIT 1",
                intermediate=False,
            )
        return found[0] if found else None

    def attempts(self, trial_id: str) -> list[AttemptRecord]:
        """Return a trial's attempts, first to latest."""
        return [
            AttemptRecord(
                trial_id=row["trial_id"],
                attempt=row["attempt"],
                machine=row["machine"],
                gpu_indices=_gpu_indices(row),
                start_time=row["start_time"],
                end_time=row["end_time"],
                exit_code=row["exit_code"],
                error=row["error"],
                outcome=row["outcome"],
            )
            for row in self._rows("SELECT * FROM attempts WHERE trial_id = ? ORDER BY attempt", trial_id)
        ]

    def notices(self, since: int = 0, limit: int | None = None) -> list[NoticeRecord]:
        """Return the notices whose number is above `since`, oldest first; with `limit` only the newest ones."""
        rows = self._rows(
            "SELECT rev, time, level, trial_id, text FROM notices WHERE rev > ? ORDER BY rev DESC LIMIT ?",
            since,
            -1 if limit is None else limit,
        )
        return [NoticeRecord(*row) for row in reversed(rows)]

    def _rows(self, query: str, *values: Any) -> list[sqlite3.Row]:
        with self._lock:
            return self._connection.execute(query, values).fetchall()

    def _trials(self, condition: str, *values: Any, intermediate: bool = True) -> list[TrialRecord]:
        with self.snapshot():
            trials = [_trial(row) for row in self._rows(f"SELECT * FROM trials {condition}", *values)]
            if not intermediate or not trials:
                return trials
            return [_with_intermediate(trial, self._intermediate(trial)) for trial in trials]

    def _intermediate(self, trial: TrialRecord) -> list[Any]:
        rows = self._rows(
            "SELECT value FROM metrics WHERE trial_id = ? AND attempt = ? AND type = 'PERIODICAL' ORDER BY rev",
            trial.trial_id,
            trial.attempt,
        )
        return [from_json(row[0]) for row in rows]

    def _last_intermediate(self, trial: TrialRecord) -> list[Any]:
        rows = self._rows(
            "SELECT value FROM metrics WHERE trial_id = ? AND attempt = ? AND type = 'PERIODICAL' "
            "ORDER BY rev DESC LIMIT 1",
            trial.trial_id,
            trial.attempt,
        )
        return [from_json(row[0]) for row in rows]


def _trial(row: sqlite3.Row) -> TrialRecord:
    return TrialRecord(
        trial_id=row["trial_id"],
        sequence=row["sequence"],
        status=row["status"],
        parameters=from_json(row["parameters"]),
        attempt=row["attempt"],
        value=decode_number(row["value"]),
        metric=from_json(row["metric"]),
        create_time=row["create_time"],
        start_time=row["start_time"],
        end_time=row["end_time"],
        exit_code=row["exit_code"],
        error=row["error"],
        machine=row["machine"],
        gpu_indices=_gpu_indices(row),
        tuner_order=row["tuner_order"],
        ends_before=row["ends_before"] or 0,
    )


def _gpu_indices(row: sqlite3.Row) -> tuple[int, ...] | None:
    indices = from_json(row["gpu_indices"])
    return None if indices is None else tuple(indices)


def _with_intermediate(trial: TrialRecord, values: list[Any]) -> TrialRecord:
    return TrialRecord(**{**trial.__dict__, "intermediate": tuple(values)})
