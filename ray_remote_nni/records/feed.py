"""The records as a stream of JSON lines, run on the head: python -m ray_remote_nni.records.feed DIR --since REV."""

from __future__ import annotations

import argparse
import json
import os
import select
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from ray_remote_nni.disk import why_full
from ray_remote_nni.errors import RayNniError
from ray_remote_nni.records.abandoned import close_abandoned
from ray_remote_nni.records.changes import Change, read_changes
from ray_remote_nni.records.connection import RecordsMissing, connect_to_read
from ray_remote_nni.records.driver import driver_alive
from ray_remote_nni.records.reader import RecordReader
from ray_remote_nni.records.schema import RECORDS_FILE

POLL_S = 0.2
#: An "end" line at least this often, so that whoever listens knows that we live, and whether the driver does.
SIGN_OF_LIFE_S = 2.0
#: How long to wait for a driver that has not made the records yet.
FIRST_RECORDS_S = 60.0
#: How long to wait where there are some that cannot be read.
UNREADABLE_S = 5.0

#: With less room than this the experiment's driver does not get far.
_FULL_BYTES = 2**20

FEED_VERSION = 1


def feed(path: Path, since: int, pause: Callable[[float], bool] | None = None) -> Iterator[dict[str, Any]]:
    """Yield the feed's documents: the header, then bursts of rows, each closed by an "end".

    Without `pause` there is one burst. With it the feed goes on until the experiment has ended and all was sent, or
    until `pause`, called with the seconds to wait, returns False.
    """
    with RecordReader(path) as reader, closing(connect_to_read(path)) as connection:
        yield {"feed": FEED_VERSION, "experiment": reader.experiment().id}
        rev = since
        version: int | None = None
        signed = 0.0
        while True:
            # It differs as soon as another process has committed, and costs next to nothing.
            (newest,) = connection.execute("PRAGMA data_version").fetchone()
            if newest != version or time.monotonic() - signed >= SIGN_OF_LIFE_S:
                # Read before the changes: when it says that the experiment ended, what led there is in what follows.
                experiment = reader.experiment()
                if newest != version:
                    for batch in read_changes(connection, rev):
                        yield from map(_document, batch)
                        rev = batch[-1].rev
                now = time.time()
                alive = driver_alive(experiment, now)
                # What a driver dies of before it can record it. To ask costs: who has recorded its end is not asked.
                full = not (alive or experiment.ended) and bool(why_full(path.parent, _FULL_BYTES))
                # Our time goes with it: the reader's clock may be off, and durations are counted on ours.
                yield {
                    "end": rev,
                    "driverAlive": alive,
                    "diskFull": full,
                    "status": experiment.status,
                    "time": now,
                    "requests": reader.requests_left(),
                }
                version, signed = newest, time.monotonic()
                if experiment.ended:
                    return
            if pause is None or not pause(POLL_S):
                return


def read_line(line: str | bytes) -> Change | dict[str, Any]:
    """Return what a line of the feed says: a change, or the header or an "end" as it stands."""
    document: dict[str, Any] = json.loads(line)
    if "row" in document:
        return Change(document["table"], document["row"], document["rev"])
    return document


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the feed to stdout and return the exit code."""
    parser = argparse.ArgumentParser(prog="ray_remote_nni.records.feed", description=__doc__)
    parser.add_argument("directory", type=Path)
    parser.add_argument("--since", type=int, default=0, metavar="REV", help="the newest revision that the reader has")
    parser.add_argument("--follow", action="store_true", help="go on until the experiment ends")
    options = parser.parse_args(arguments)
    path = options.directory / RECORDS_FILE
    pause = _pause_while_somebody_listens() if options.follow else None
    try:
        if pause is not None:
            _await(path, pause)
        else:
            close_abandoned(options.directory)
        _write(feed(path, options.since, pause))
    except RayNniError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    except BrokenPipeError:
        # Nobody listens. Python would say so again when it flushes stdout at its exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    return 0


def _document(change: Change) -> dict[str, Any]:
    return {"rev": change.rev, "table": change.table, "row": change.row}


def _write(documents: Iterable[dict[str, Any]]) -> None:
    for document in documents:
        sys.stdout.write(json.dumps(document, separators=(",", ":"), allow_nan=False) + "\n")
        if "row" not in document:
            sys.stdout.flush()


def _await(path: Path, pause: Callable[[float], bool]) -> None:
    began = time.monotonic()
    patience = FIRST_RECORDS_S
    while time.monotonic() < began + patience:
        try:
            connect_to_read(path).close()
            return
        except RecordsMissing:
            pass
        except RayNniError:
            # It may be in the making; else nobody does it any good.
            patience = min(patience, time.monotonic() - began + UNREADABLE_S)
        if not pause(POLL_S):
            return


def _pause_while_somebody_listens() -> Callable[[float], bool]:
    """Return a sleep that ends early, with False, when stdin or the reading end of stdout is closed."""
    poll = select.poll()
    poll.register(0, select.POLLIN)
    # Without an event of its own: an error or a hang-up is always told.
    poll.register(1, 0)

    def pause(seconds: float) -> bool:
        for descriptor, event in poll.poll(seconds * 1000):
            if descriptor == 1 or not event & select.POLLIN or not os.read(0, 4096):
                return False
        return True

    return pause


if __name__ == "__main__":
    sys.exit(main())
