"""Opening the records' file: to write, to read beside a writer, to read where nothing can be written."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ray_remote_nni.errors import NotFound, RayNniError
from ray_remote_nni.records.schema import LAST_REV, STATEMENTS, VERSION

#: How long to wait for another process's transaction. Ours take milliseconds; a machine may be slow or suspended.
BUSY_TIMEOUT_S = 20.0


class RecordsUnreadable(RayNniError):
    """The file is there, and is not an experiment's records, or of a version that this one does not know."""

    def __init__(self, path: Path, what: str) -> None:
        super().__init__(f"{path}: {what}")


class RecordsUnwritable(RayNniError):
    """What had to be recorded could not be: a full disk, a folder without permission, a broken file system."""

    def __init__(self, path: Path, error: sqlite3.Error) -> None:
        super().__init__(f"{path}: nothing can be recorded: {error}. Is the disk full, the folder read-only?")


class RecordsMissing(NotFound):
    """There is no such file."""

    def __init__(self, path: Path) -> None:
        super().__init__(f"{path}: there are no records of an experiment here.")


def connect_to_write(path: Path) -> sqlite3.Connection:
    """Open an existing or new file for writing; the caller makes the transactions.

    Raises RecordsUnwritable, or RecordsUnreadable where the file is something else.
    """
    connection: sqlite3.Connection | None = None
    with contextlib.suppress(OSError):
        # SQLite would make it readable for everybody; why it cannot be made, SQLite tells below. Never open one that is
        # there: to close it would end the locks that this process has on it.
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
    try:
        connection = _connect(path, "mode=rwc")
        # Durable at each commit: what the driver acts on must survive the machine's power cut.
        connection.execute("PRAGMA synchronous = FULL")
        return connection
    except sqlite3.DatabaseError as error:
        if connection is not None:
            connection.close()
        if isinstance(error, sqlite3.OperationalError):
            raise RecordsUnwritable(path, error) from error
        raise RecordsUnreadable(path, f"is not an experiment's records: {error}.") from error


def connect_to_read(path: Path) -> sqlite3.Connection:
    """Open an existing file so that nothing can be changed through the connection.

    Beside a writer this is SQLite's `mode=ro`. A file that was left in the middle of a commit needs a repair first, so
    a writable connection that only asks comes second; last, unless a repair is due, the file as it lies, for a folder
    in which nothing may be written. Raises RecordsMissing or RecordsUnreadable.
    """
    if not path.exists():
        raise RecordsMissing(path)
    cause: sqlite3.Error | None = None
    for mode in ("mode=ro", "mode=rw", *(() if _needs_repair(path) else ("immutable=1",))):
        try:
            return _open_to_read(path, mode)
        except sqlite3.OperationalError as error:
            cause = error
    repair = "a writer was cut off, and its folder must be writable, with room on the disk, for the repair"
    why = repair if _needs_repair(path) else f"{cause}"
    raise RecordsUnreadable(path, f"cannot be read: {why}.") from cause


def check_version(connection: sqlite3.Connection, path: Path) -> None:
    """Raise RecordsUnreadable unless the file holds our tables in a version that we know."""
    try:
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        # A read of a table, not of the header alone, finds what `mode=ro` cannot do.
        (tables,) = connection.execute("SELECT count(*) FROM sqlite_master WHERE name = 'experiment'").fetchone()
    except sqlite3.OperationalError:
        raise
    except sqlite3.DatabaseError as error:
        raise RecordsUnreadable(path, f"is not an experiment's records: {error}.") from error
    if version > VERSION:
        raise RecordsUnreadable(path, f"was written by a newer ray-nni (records version {version}). Upgrade this one.")
    if tables and version < VERSION:
        raise RecordsUnreadable(
            path, f"was written by an older ray-nni (records version {version}), which can read it."
        )
    if not tables:
        raise RecordsUnreadable(path, "holds no experiment's records.")


def create_tables(connection: sqlite3.Connection) -> None:
    """Create the tables, inside the caller's transaction, so that no half-made file is ever seen."""
    for statement in STATEMENTS:
        connection.execute(statement)


def has_tables(connection: sqlite3.Connection) -> bool:
    """Tell whether the file is more than an empty one."""
    return bool(connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0])


@contextmanager
def transaction(connection: sqlite3.Connection, kind: str = "IMMEDIATE") -> Iterator[None]:
    """Commit what is done inside, or nothing of it. `DEFERRED` makes a reader's snapshot."""
    connection.execute(f"BEGIN {kind}")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        # On a full disk SQLite has rolled back by itself.
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def newest_rev(connection: sqlite3.Connection) -> int:
    """Return the newest revision in the file."""
    return int(connection.execute(LAST_REV).fetchone()[0])


def _open_to_read(path: Path, mode: str) -> sqlite3.Connection:
    connection = _connect(path, mode)
    try:
        connection.execute("PRAGMA query_only = 1")
        check_version(connection, path)
    except BaseException:
        connection.close()
        raise
    return connection


def _needs_repair(path: Path) -> bool:
    leftovers = (path.with_name(path.name + suffix) for suffix in ("-journal", "-wal"))
    return any(leftover.exists() and leftover.stat().st_size for leftover in leftovers)


def _connect(path: Path, mode: str) -> sqlite3.Connection:
    # The lock that guards a connection's transactions is its owner's, hence any thread may use it.
    connection = sqlite3.connect(
        f"{path.absolute().as_uri()}?{mode}",
        uri=True,
        timeout=BUSY_TIMEOUT_S,
        isolation_level=None,
        check_same_thread=False,
    )
    connection.row_factory = sqlite3.Row
    return connection
