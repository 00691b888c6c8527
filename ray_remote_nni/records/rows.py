"""What the records say of trials, row by row, inside a transaction of whoever calls."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Any

from ray_remote_nni.errors import NotFound
from ray_remote_nni.records.encoding import encode_number, to_json, to_text
from ray_remote_nni.records.model import ENDED, Metric, NoticeLevel, TrialStatus
from ray_remote_nni.records.writer import Writer


class TrialRows:
    """The rows of trials, their attempts, metrics and notices. Methods raise NotFound for a trial that is not there."""

    def __init__(self, writer: Writer) -> None:
        self._writer = writer

    def trial(self, trial_id: str) -> tuple[TrialStatus, int]:
        """Return a trial's status and its latest attempt's number."""
        for row in self._writer.rows("SELECT status, attempt FROM trials WHERE trial_id = ?", trial_id):
            return row["status"], row["attempt"]
        raise NotFound(f"There is no trial {trial_id} in these records.")

    def update_trial(self, trial_id: str, **values: Any) -> None:
        """Change columns of a trial."""
        if not self._writer.update("trials", {"trial_id": trial_id}, **values):
            raise NotFound(f"There is no trial {trial_id} in these records.")

    def update_attempt(self, trial_id: str, attempt: int, **values: Any) -> None:
        """Change columns of an attempt, which is made where it is not there."""
        if not self._writer.update("attempts", {"trial_id": trial_id, "attempt": attempt}, **values):
            self._writer.insert("attempts", trial_id=trial_id, attempt=attempt, **values)

    def add_metrics(self, trial_id: str, attempt: int, metrics: Iterable[Metric]) -> None:
        """Add results of a trial."""
        names = ("trial_id", "attempt", "sequence", "type", "value", "time")
        rows = ((trial_id, attempt, sequence, kind, to_json(value), when) for sequence, kind, value, when in metrics)
        self._writer.insert_many("metrics", names, rows)

    def add_notice(self, level: NoticeLevel, text: str, trial_id: str | None, now: float | None) -> None:
        """Add something to tell the user; `now` is the time, None for now indeed."""
        now = time.time() if now is None else now
        self._writer.insert("notices", time=now, level=level, trial_id=trial_id, text=to_text(text))

    def end_trial(
        self, trial_id: str, status: TrialStatus, value: float | None, metric: Any, **values: Any
    ) -> int | None:
        """End a trial; see RecordStore.end_trial. Raises ValueError for a status that is no end."""
        if status not in ENDED:
            raise ValueError(f"{status} is not the end of a trial")
        if self.trial(trial_id)[0] in ENDED:
            return None
        order = self._writer.next_rev()
        self.update_trial(
            trial_id,
            status=status,
            value=encode_number(value),
            metric=None if metric is None else to_json(metric),
            tuner_order=order,
            **values,
        )
        return order


def place_columns(machine: str | None, gpu_indices: Iterable[int] | None, start_time: float | None) -> dict[str, Any]:
    """Return the columns that say where and since when a trial's process runs."""
    return {
        "machine": machine,
        "gpu_indices": None if gpu_indices is None else to_json(list(gpu_indices)),
        "start_time": time.time() if start_time is None else start_time,
    }


def end_columns(end_time: float | None, exit_code: int | None, error: str | None) -> dict[str, Any]:
    """Return the columns that say how it ended."""
    return {
        "end_time": time.time() if end_time is None else end_time,
        "exit_code": exit_code,
        "error": to_text(error),
    }
