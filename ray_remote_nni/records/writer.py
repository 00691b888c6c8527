"""Rows with revisions: how a change gets into the file, whatever it means."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ray_remote_nni.records.connection import (
    RecordsUnwritable,
    connect_to_write,
    create_tables,
    has_tables,
    newest_rev,
    transaction,
)


class Writer:
    """Inserts and updates rows, each with the next revision. Any thread may use it; transactions take turns."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.connection = connect_to_write(path)
        self._lock = threading.RLock()
        self._rev = 0

    def close(self) -> None:
        """Close the file; what was committed stays."""
        with self._lock:
            self.connection.close()

    def prefer_write_ahead(self) -> None:
        """Let readers and the writer not wait for one another.

        On a file system that cannot do it, as some network ones, SQLite stays with its rollback journal.
        """
        self.connection.execute("PRAGMA journal_mode = WAL")

    @contextmanager
    def creating(self) -> Iterator[None]:
        """Create the tables, and what is inserted inside with them. Raises FileExistsError where there are some."""
        with transaction(self.connection):
            if has_tables(self.connection):
                raise FileExistsError(f"{self.path}: there are records here already")
            create_tables(self.connection)
            yield

    @contextmanager
    def changing(self) -> Iterator[None]:
        """Commit what is done inside, durably and as a whole; inside another `changing`, with that one.

        Raises RecordsUnwritable where it cannot be done.
        """
        try:
            with self._lock:
                if self.connection.in_transaction:
                    yield
                    return
                with transaction(self.connection):
                    self._rev = newest_rev(self.connection)
                    yield
        except sqlite3.OperationalError as error:
            raise RecordsUnwritable(self.path, error) from error

    def rows(self, query: str, *values: Any) -> list[sqlite3.Row]:
        """Run a statement that needs no revision, and return what it finds."""
        with self._lock:
            return self.connection.execute(query, values).fetchall()

    def next_rev(self) -> int:
        """Take a revision, inside `changing`."""
        self._rev += 1
        return self._rev

    def insert(self, table: str, **values: Any) -> None:
        """Insert a row, inside `changing`."""
        self.insert_many(table, tuple(values), [tuple(values.values())])

    def insert_many(self, table: str, names: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
        """Insert rows, inside `changing`."""
        marks = ", ?" * len(names)
        self.connection.executemany(
            f"INSERT INTO {table} (rev, {', '.join(names)}) VALUES (?{marks})",
            ((self.next_rev(), *row) for row in rows),
        )

    def update(self, table: str, key: Mapping[str, Any], **values: Any) -> bool:
        """Change a row, inside `changing`; an empty key means the only one. Return whether it is there."""
        changes = ", ".join(f"{name} = ?" for name in values)
        where = " AND ".join(f"{name} = ?" for name in key) or "1"
        cursor = self.connection.execute(
            f"UPDATE {table} SET rev = ?, {changes} WHERE {where}",
            (self.next_rev(), *values.values(), *key.values()),
        )
        return cursor.rowcount > 0
