"""What clients ask of the driver; as a program: python -m ray_remote_nni.records.requests DIR KIND [TRIAL].

The program takes what goes with the request, as JSON, from standard input: it may be large. It prints {"taken": …}:
for an import the places of the results that were not imported before, else null.
"""

from __future__ import annotations

import argparse
import json
import sqlite3
import sys
import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, get_args

from ray_remote_nni.errors import NotFound, RayNniError
from ray_remote_nni.records.connection import RecordsMissing, check_version, connect_to_write, transaction
from ray_remote_nni.records.earlier import new_results
from ray_remote_nni.records.encoding import from_json, to_json
from ray_remote_nni.records.model import EarlierResult, RequestKind
from ray_remote_nni.records.schema import RECORDS_FILE


def add_request(path: Path, kind: RequestKind, trial_id: str | None = None, payload: Any = None) -> int:
    """Put a request into the records that the driver writes, and return its number.

    Raises NotFound where a trial to kill is not in them.
    """
    if not path.exists():
        raise RecordsMissing(path)
    with closing(connect_to_write(path)) as connection:
        check_version(connection, path)
        with transaction(connection):
            known = connection.execute("SELECT 1 FROM trials WHERE trial_id = ?", (trial_id,)).fetchone()
            if trial_id is not None and known is None:
                raise NotFound(f"There is no trial {trial_id} in this experiment.")
            return _insert(connection, kind, trial_id, payload)


def add_import(path: Path, results: Sequence[EarlierResult]) -> list[int]:
    """Put a request for the tuner to learn these; return the places of those that nobody asked it to learn before.

    Only they are in the request, so that it is learnt once what is imported again. Without any there is no request.
    """
    if not path.exists():
        raise RecordsMissing(path)
    with closing(connect_to_write(path)) as connection:
        check_version(connection, path)
        with transaction(connection):
            earlier = connection.execute("SELECT payload FROM requests WHERE kind = 'import'").fetchall()
            taken = new_results(results, [result for (payload,) in earlier for result in from_json(payload)])
            if taken:
                _insert(connection, "import", None, [results[place] for place in taken])
            return taken


def _insert(connection: sqlite3.Connection, kind: RequestKind, trial_id: str | None, payload: Any) -> int:
    cursor = connection.execute(
        "INSERT INTO requests (kind, trial_id, created, payload) VALUES (?, ?, ?, ?)",
        (kind, trial_id, time.time(), None if payload is None else to_json(payload)),
    )
    return int(cursor.lastrowid or 0)


def main(arguments: Sequence[str] | None = None) -> int:
    """Put the request and return the exit code."""
    parser = argparse.ArgumentParser(prog="ray_remote_nni.records.requests", description=__doc__)
    parser.add_argument("directory", type=Path)
    parser.add_argument("kind", choices=get_args(RequestKind))
    parser.add_argument("trial", nargs="?", help="the trial to kill")
    options = parser.parse_args(arguments)
    if (options.kind == "kill") != (options.trial is not None):
        parser.error("kill takes a trial, and nothing else does")
    payload: Any = None if options.kind in ("stop", "kill") else json.load(sys.stdin)
    try:
        path = options.directory / RECORDS_FILE
        taken = None
        if options.kind == "import":
            taken = add_import(path, payload)
        else:
            add_request(path, options.kind, options.trial, payload)
    except RayNniError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    print(json.dumps({"taken": taken}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
