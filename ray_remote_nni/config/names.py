"""Field names: NNI's tolerance for their spelling, paths for people, and the nearest name for a typo."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

FieldPath = tuple[str | int, ...]


def fold(name: str) -> str:
    """The form in which two spellings of one field are equal: NNI ignores case and underscores."""
    return name.lower().replace("_", "")


def dotted(path: FieldPath) -> str:
    """`("machineList", 1, "port")` as people write it: `machineList[1].port`."""
    text = ""
    for step in path:
        if isinstance(step, int):
            text += f"[{step}]"
        else:
            text += f".{step}" if text else step
    return text


def nearest(name: str, candidates: Iterable[str], likeness: float = 0.6) -> str | None:
    """The candidate that a typo most likely meant, or None if none is near; 1 is the likeness of equal names."""
    by_folded = {fold(candidate): candidate for candidate in candidates}
    matches = difflib.get_close_matches(fold(name), by_folded, n=1, cutoff=likeness)
    return by_folded[matches[0]] if matches else None


def listed(values: Iterable[str]) -> str:
    """`a, b or c`, for messages."""
    names = list(values)
    return " or ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def some_of(names: Iterable[str], most: int = 8) -> str:
    """`a, b, c, ...`: the first names of a list, for messages that would otherwise be all list."""
    shown = list(names)
    return ", ".join(shown[:most]) + (f" and {len(shown) - most} more" if len(shown) > most else "")
