"""The tables of an experiment's records, and the file's version."""

from __future__ import annotations

#: The records' file in an experiment's folder.
RECORDS_FILE = "records.sqlite"

#: Grows when a file of an older version can no longer be read as it is.
VERSION = 2

#: Marks the file as ours ("rnni"), for `file` and for whoever finds it.
APPLICATION_ID = 0x726E6E69

#: The primary key of every table whose rows carry `rev`. `rev` grows over the whole file with every change, so "what is
#: new since R" is `rev > R`; rows of metrics and notices never change, so there it is the key itself.
KEYS: dict[str, tuple[str, ...]] = {
    "experiment": ("id",),
    "trials": ("trial_id",),
    "attempts": ("trial_id", "attempt"),
    "metrics": ("rev",),
    "notices": ("rev",),
}

COLUMNS: dict[str, tuple[str, ...]] = {
    "experiment": (
        "rev", "id", "name", "status", "start_time", "end_time", "error", "config", "search_space", "optimize_mode",
        "max_trial_number", "trial_concurrency", "seed", "driver_pid", "driver_start", "driver_host", "driver_time",
    ),
    "trials": (
        "rev", "trial_id", "sequence", "status", "parameters", "attempt", "value", "metric", "create_time",
        "start_time", "end_time", "exit_code", "error", "machine", "gpu_indices", "tuner_order",
        "ends_before",
    ),
    "attempts": (
        "rev", "trial_id", "attempt", "machine", "gpu_indices", "start_time", "end_time", "exit_code", "error",
        "outcome",
    ),
    "metrics": ("rev", "trial_id", "attempt", "sequence", "type", "value", "time"),
    "notices": ("rev", "time", "level", "trial_id", "text"),
}  # fmt: skip

# Only what SQLite 3.7 knew: that is what Python 3.10 asks for, and what old machines have.
# `value` of trials has no type, so that numbers stay numbers and "NaN" stays text.
STATEMENTS = (
    f"PRAGMA application_id = {APPLICATION_ID}",
    f"PRAGMA user_version = {VERSION}",
    """CREATE TABLE experiment (
        id TEXT PRIMARY KEY, rev INTEGER NOT NULL, name TEXT, status TEXT NOT NULL, start_time REAL NOT NULL,
        end_time REAL, error TEXT, config TEXT NOT NULL, search_space TEXT NOT NULL, optimize_mode TEXT NOT NULL,
        max_trial_number INTEGER, trial_concurrency INTEGER NOT NULL, seed INTEGER, driver_pid INTEGER,
        driver_start INTEGER, driver_host TEXT, driver_time REAL)""",
    """CREATE TABLE trials (
        trial_id TEXT PRIMARY KEY, rev INTEGER NOT NULL, sequence INTEGER NOT NULL, status TEXT NOT NULL,
        parameters TEXT NOT NULL, attempt INTEGER NOT NULL, value, metric TEXT, create_time REAL NOT NULL,
        start_time REAL, end_time REAL, exit_code INTEGER, error TEXT, machine TEXT, gpu_indices TEXT,
        tuner_order INTEGER, ends_before INTEGER)""",
    "CREATE INDEX trials_by_rev ON trials (rev)",
    "CREATE INDEX trials_by_sequence ON trials (sequence)",
    "CREATE INDEX trials_by_status ON trials (status, value)",
    """CREATE TABLE attempts (
        trial_id TEXT NOT NULL, attempt INTEGER NOT NULL, rev INTEGER NOT NULL, machine TEXT, gpu_indices TEXT,
        start_time REAL, end_time REAL, exit_code INTEGER, error TEXT, outcome TEXT,
        PRIMARY KEY (trial_id, attempt))""",
    "CREATE INDEX attempts_by_rev ON attempts (rev)",
    """CREATE TABLE metrics (
        rev INTEGER PRIMARY KEY, trial_id TEXT NOT NULL, attempt INTEGER NOT NULL, sequence INTEGER NOT NULL,
        type TEXT NOT NULL, value TEXT NOT NULL, time REAL NOT NULL)""",
    "CREATE INDEX metrics_by_trial ON metrics (trial_id, attempt)",
    """CREATE TABLE notices (
        rev INTEGER PRIMARY KEY, time REAL NOT NULL, level TEXT NOT NULL, trial_id TEXT, text TEXT NOT NULL)""",
    """CREATE TABLE requests (
        id INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT NOT NULL, trial_id TEXT, created REAL NOT NULL, done REAL,
        payload TEXT)""",
)

#: The newest `rev` of the file; 0 in an empty one.
LAST_REV = "SELECT max({}) FROM ({})".format(
    "r", " UNION ALL ".join(f"SELECT coalesce(max(rev), 0) AS r FROM {table}" for table in KEYS)
)
