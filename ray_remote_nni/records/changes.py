"""Changes since a revision, and their application to a mirror: how records travel from the head to a client."""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from heapq import merge
from itertools import islice
from pathlib import Path
from typing import Any

from ray_remote_nni.records.connection import (
    RecordsUnreadable,
    RecordsUnwritable,
    check_version,
    connect_to_read,
    connect_to_write,
    create_tables,
    has_tables,
    newest_rev,
    transaction,
)
from ray_remote_nni.records.schema import COLUMNS, KEYS

#: Rows read under one lock of the file, and sent as one batch.
BATCH = 1000


@dataclass(frozen=True)
class Change:
    """A row as it is after its latest change, `rev`; `row` holds what SQLite holds, by column, all of it JSON."""

    table: str
    row: Mapping[str, Any]
    rev: int


def changes_since(path: Path, rev: int) -> Iterator[list[Change]]:
    """Yield what changed after `rev`, in batches that grow in `rev`: after any of them one may stop and go on later."""
    with closing(connect_to_read(path)) as connection:
        yield from read_changes(connection, rev)


def read_changes(connection: sqlite3.Connection, rev: int) -> Iterator[list[Change]]:
    """Do as `changes_since` does. No lock is held between batches: a slow reader stops nobody.

    After the last batch all that was committed before it was read has been yielded.
    """
    while True:
        with transaction(connection, "DEFERRED"):
            batch = list(islice(merge(*_by_table(connection, rev), key=lambda change: change.rev), BATCH))
        if batch:
            yield batch
            rev = batch[-1].rev
        if len(batch) < BATCH:
            return


def apply_changes(path: Path, changes: Iterable[Change]) -> None:
    """Bring a mirror up to date, in one transaction; make the file where there is none.

    The mirror is an experiment's records like any other: it can be read, and opened to go on from. Changes that it has
    already, or has newer, do nothing. Tables and columns of a newer version are left out. Raises RecordsUnreadable
    where the changes are another experiment's, RecordsUnwritable where they cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with closing(connect_to_write(path)) as connection:
        if has_tables(connection):
            check_version(connection, path)
        try:
            with transaction(connection):
                if not has_tables(connection):
                    create_tables(connection)
                _apply(connection, path, changes)
        except sqlite3.OperationalError as error:
            raise RecordsUnwritable(path, error) from error


def last_rev(path: Path) -> int:
    """Return the newest revision that a mirror has; 0 where there is no mirror."""
    if not path.exists() or not path.stat().st_size:
        return 0
    with closing(connect_to_read(path)) as connection:
        return newest_rev(connection)


def _by_table(connection: sqlite3.Connection, rev: int) -> Iterator[Iterator[Change]]:
    for table in KEYS:
        query = f"SELECT {', '.join(COLUMNS[table])} FROM {table} WHERE rev > ? ORDER BY rev LIMIT {BATCH}"
        yield _changes(table, connection.execute(query, (rev,)))


def _changes(table: str, rows: Iterable[sqlite3.Row]) -> Iterator[Change]:
    return (Change(table, dict(row), row["rev"]) for row in rows)


def _apply(connection: sqlite3.Connection, path: Path, changes: Iterable[Change]) -> None:
    by_table: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for change in changes:
        if change.table in KEYS:
            by_table[change.table].append(change.row)
    mirrored = connection.execute("SELECT id FROM experiment").fetchone()
    for row in by_table["experiment"]:
        if mirrored is not None and row["id"] != mirrored[0]:
            raise RecordsUnreadable(path, f"holds experiment {mirrored[0]}, and is no mirror of {row['id']}.")
    for table, rows in by_table.items():
        names = COLUMNS[table]
        key = " AND ".join(f"{name} = :{name}" for name in KEYS[table])
        values = [{name: row.get(name) for name in names} for row in rows]
        # An upsert in words that every SQLite knows: away with an older row, then in unless a newer one is there.
        connection.executemany(f"DELETE FROM {table} WHERE {key} AND rev < :rev", values)
        connection.executemany(
            f"INSERT OR IGNORE INTO {table} ({', '.join(names)}) VALUES ({', '.join(':' + name for name in names)})",
            values,
        )
