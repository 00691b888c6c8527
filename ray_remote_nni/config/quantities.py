"""Numbers, times and sizes in the forms in which NNI accepts them."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Any

from ray_remote_nni.config.problems import Refused
from ray_remote_nni.config.public import duration_text

_TIME_UNITS_S = {"d": 86400, "h": 3600, "m": 60, "s": 1}
_SIZE_UNITS = {"tb": 1024**4, "gb": 1024**3, "mb": 1024**2, "kb": 1024, "b": 1}
_QUANTITY = re.compile(r"([0-9]*\.?[0-9]+(?:e[+-]?[0-9]+)?|[0-9]+\.)\s*([a-z]*)")
_WHOLE = re.compile(r"[+-]?[0-9]{1,300}")
#: More than anybody means, and less than what a database holds.
LARGEST = 10**9
_CLOCK = re.compile(r"([0-9]{1,3}):([0-5][0-9])(?::([0-5][0-9]))?")
_SIZE = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*([kmgt])(?:i?b?|[a-z]*bytes?|igs?)")
_WORDED = re.compile(
    r"(?:[0-9]+\s*(?:d|days?|h|hrs?|hours?|m|mins?|minutes?|s|secs?|seconds?)(?:\s+|,\s*|(?=[0-9])|$))+"
)


def whole_number(value: object) -> int | None:
    """The value as an int if it is a whole number, in digits too (`"22"` from a variable); a boolean is none."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, str) and _WHOLE.fullmatch(value.strip()):
        return int(value)
    return None


def number(value: object) -> float | int | None:
    """The value as a finite number if it is one; YAML reads `1e-3` as a text, which is taken as the number."""
    if isinstance(value, str):
        try:
            value = float(value)
        except ValueError:
            return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return value


def whole(minimum: int, maximum: int | None = None) -> Callable[[Any], int]:
    """The validator of a whole number in a range, which raises Refused; without a maximum it is LARGEST."""
    most = LARGEST if maximum is None else maximum

    def validate(value: Any) -> int:
        result = whole_number(value)
        if result is None or not minimum <= result <= most:
            of_at_least = maximum is None and (result is None or result < minimum)
            accepted = f"of at least {minimum}" if of_at_least else f"from {minimum} to {most}"
            meant = whole_number(number(value))
            fits = meant is not None and minimum <= meant <= most
            raise Refused(f"a whole number {accepted}", f"Write {meant}" if fits else None)
        return result

    return validate


def parse_duration_s(value: Any) -> float:
    """Seconds, rounded up, of a number or of a text like "1.5h" (d, h, m, s; any case). Raises Refused."""
    accepted = 'a time above zero, as a number of seconds or a text with d, h, m or s ("90s", "1.5h")'
    try:
        return float(_quantity(value, _TIME_UNITS_S, "s", accepted))
    except Refused as refused:
        meant_s = _meant_s(value)
        if meant_s is not None:
            refused.remedy = f"Write {duration_text(meant_s)}"
        raise


def _meant_s(value: Any) -> int | None:
    """The seconds that people mean by `10 minutes`, `1h30m` or `01:30:00`, which NNI does not take."""
    text = value.strip().lower() if isinstance(value, str) else ""
    if clock := _CLOCK.fullmatch(text):
        hours, minutes, seconds = clock.groups("0")
        total = 3600 * int(hours) + 60 * int(minutes) + int(seconds)
    elif _WORDED.fullmatch(text):
        parts = re.findall(r"([0-9]+)\s*([a-z])", text)
        total = sum(int(amount) * _TIME_UNITS_S[unit] for amount, unit in parts)
    else:
        return None
    return total or None


def parse_size_bytes(value: Any) -> int:
    """Bytes, rounded up, of a number or of a text like "4gb". Raises Refused."""
    accepted = 'a size above zero, as a number of bytes or a text with tb, gb, mb, kb or b ("4gb")'
    try:
        return _quantity(value, _SIZE_UNITS, "b", accepted)
    except Refused as refused:
        # 4G and 4GiB are clear, too: these units are powers of 1024.
        if match := _SIZE.fullmatch(value.strip().lower() if isinstance(value, str) else ""):
            refused.remedy = f"Write {match[1]}{match[2]}b"
        raise


def _quantity(value: Any, units: dict[str, int], default_unit: str, accepted: str) -> int:
    amount = math.nan
    if isinstance(value, str):
        match = _QUANTITY.fullmatch(value.strip().lower())
        if match is not None and (match.group(2) or default_unit) in units:
            amount = float(match.group(1)) * units[match.group(2) or default_unit]
    elif isinstance(value, int | float) and not isinstance(value, bool):
        amount = value
    if not math.isfinite(amount) or amount <= 0:
        raise Refused(accepted)
    return math.ceil(amount)
