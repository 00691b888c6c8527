"""NNI's metric file, read while the trial writes it.

A record is `ME`, the decimal length of the rest in bytes (six digits or more), a line of JSON and a line break. The
JSON's `value` is itself JSON text. A record may arrive in pieces; what is no record is passed over.
Source: NNI's local command channel, and the facts of its real packages 2.10 and 3.0.
"""

from __future__ import annotations

import json
import math
import re
import time
from pathlib import Path
from typing import Any

from ray_remote_nni.trial.spec import Reported

_HEADER = re.compile(rb"ME(\d{6,9})(?=\{)")
#: No header is longer than this.
_LONGEST_HEADER = 12


class MetricReader:
    """Yields the metrics that were added to a trial's metric file since the last look."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._offset = 0
        self._rest = b""

    def read(self, *, last: bool = False) -> list[Reported]:
        """Return the metrics that are complete now, in order.

        `last`: nothing more is written, so a record that was cut off stands in the way of no other any longer.
        """
        self._rest += self._added()
        return self._take(last) if self._rest else []

    def _added(self) -> bytes:
        try:
            if self._file.stat().st_size == self._offset:
                return b""
            with self._file.open("rb") as reading:
                reading.seek(self._offset)
                added = reading.read()
        except OSError:
            return b""  # it is not there yet, or the trial made something else of it
        self._offset += len(added)
        return added

    def _take(self, last: bool) -> list[Reported]:
        found = []
        position = 0
        while header := _HEADER.search(self._rest, position):
            end = header.end() + int(header[1])
            if end > len(self._rest) and not last:
                break
            metric = _parse(self._rest[header.end() : end])
            if metric is not None:
                found.append(metric)
            position = end if metric is not None else header.end()
        else:
            # No header begins in what is left, but its last bytes may become one.
            position = max(position, len(self._rest) - _LONGEST_HEADER)
        self._rest = self._rest[position:]
        return found


def _parse(record: bytes) -> Reported | None:
    try:
        message = json.loads(record)
        value = message["value"]
        if message["type"] not in ("PERIODICAL", "FINAL"):
            return None
        return Reported(
            sequence=int(message["sequence"]),
            kind=message["type"],
            value=json.loads(value) if isinstance(value, str) else value,
            time=time.time(),
        )
    except (ValueError, KeyError, TypeError, RecursionError):
        return None


def default_value(metric: Any) -> float | None:
    """Return the number that the tuner optimises: the metric itself, or a dict's `default`; None where it has none."""
    if isinstance(metric, dict):
        metric = metric.get("default")
    if isinstance(metric, bool) or not isinstance(metric, (int, float)):
        return None
    try:
        return float(metric)
    except OverflowError:
        return math.inf if metric > 0 else -math.inf
