"""How values stand in the file: numbers that stay comparable in SQL, JSON that keeps NaN and infinity."""

from __future__ import annotations

import json
import math
from typing import Any

_INT64 = 2**63


def encode_number(value: float | None) -> float | str | None:
    """Return what SQLite shall store: a finite number as such, "NaN", "Infinity" or "-Infinity" as text.

    SQLite would turn NaN into NULL, and refuses integers beyond 64 bits, which become floats here.
    """
    if value is None:
        return None
    if isinstance(value, int):
        if -_INT64 <= value < _INT64:
            return int(value)
        try:
            value = float(value)
        except OverflowError:
            value = math.inf if value > 0 else -math.inf
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    return value


def decode_number(stored: Any) -> float | None:
    """Return the number that `encode_number` stored."""
    return float(stored) if isinstance(stored, str) else stored


def to_json(value: Any) -> str:
    """Return Python's JSON, in which NaN and the infinities are bare words; `from_json` reads it back.

    It is ASCII: a half surrogate from a trial's output is kept that way, where SQLite would refuse it as text.
    """
    return json.dumps(value, separators=(",", ":"))


def from_json(text: str | None) -> Any:
    """Return the value of a stored JSON text; None for NULL."""
    return None if text is None else json.loads(text)


def to_text(text: str | None) -> str | None:
    """Return a text as SQLite takes it: what is no Unicode, such as bytes read with surrogateescape, becomes "?"."""
    return None if text is None else text.encode(errors="replace").decode()
