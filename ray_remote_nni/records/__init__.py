"""The experiment's one truth: a SQLite file that the driver writes, and that everything else is read from."""

from __future__ import annotations

from ray_remote_nni.records.connection import RecordsMissing, RecordsUnreadable, RecordsUnwritable
from ray_remote_nni.records.create import create_records
from ray_remote_nni.records.model import (
    ENDED,
    AttemptRecord,
    ExperimentRecord,
    ExperimentStatus,
    Metric,
    NoticeRecord,
    RequestRecord,
    TrialRecord,
    TrialStatus,
)
from ray_remote_nni.records.reader import RecordReader
from ray_remote_nni.records.schema import RECORDS_FILE
from ray_remote_nni.records.store import RecordStore

__all__ = [
    "ENDED",
    "RECORDS_FILE",
    "AttemptRecord",
    "ExperimentRecord",
    "ExperimentStatus",
    "Metric",
    "NoticeRecord",
    "RecordReader",
    "RecordStore",
    "RecordsMissing",
    "RecordsUnreadable",
    "RecordsUnwritable",
    "RequestRecord",
    "TrialRecord",
    "TrialStatus",
    "create_records",
]
