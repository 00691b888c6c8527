"""What clients ask of the driver; as a program: python -m ray_remote_nni.records.requests DIR KIND [WHAT]."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from ray_remote_nni.errors import NotFound, RayNniError
from ray_remote_nni.records.connection import RecordsMissing, check_version, connect_to_write, transaction
from ray_remote_nni.records.encoding import to_json
from ray_remote_nni.records.model import RequestKind
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
            cursor = connection.execute(
                "INSERT INTO requests (kind, trial_id, created, payload) VALUES (?, ?, ?, ?)",
                (kind, trial_id, time.time(), None if payload is None else to_json(payload)),
            )
            return int(cursor.lastrowid or 0)


def main(arguments: Sequence[str] | None = None) -> int:
    """Put the request and return the exit code."""
    parser = argparse.ArgumentParser(prog="ray_remote_nni.records.requests", description=__doc__)
    parser.add_argument("directory", type=Path)
    parser.add_argument("kind", choices=("stop", "kill", "update"))
    parser.add_argument("what", nargs="?", help="the trial to kill, or the changes as JSON")
    options = parser.parse_args(arguments)
    if (options.kind == "stop") != (options.what is None):
        parser.error("kill takes a trial, update takes changes, stop takes nothing")
    try:
        path = options.directory / RECORDS_FILE
        if options.kind == "update":
            add_request(path, "update", payload=json.loads(options.what))
        else:
            add_request(path, options.kind, options.what)
    except RayNniError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
