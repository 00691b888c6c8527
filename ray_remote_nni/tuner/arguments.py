"""Reads NNI's classArgs of a tuner: what is unknown or makes no sense is refused."""

from __future__ import annotations

import math
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ray_remote_nni.errors import UsageError

#: What is accepted, in words, and the value to use, None for one that is refused.
Rule = tuple[str, Callable[[Any], Any]]


@dataclass(frozen=True)
class Arguments:
    """The arguments of a tuner: the two that all have, and its own by name."""

    seed: int
    maximize: bool
    own: Mapping[str, Any]

    def __getitem__(self, name: str) -> Any:
        return self.own[name]


def read_arguments(
    tuner: str,
    class_args: Mapping[str, Any],
    seed: int | None,
    default_mode: str = "maximize",
    own: Mapping[str, tuple[Rule, Any]] | None = None,
) -> Arguments:
    """Read classArgs; `own` has a rule and a default by name. An argument that is None counts as not given.

    The `seed` of the classArgs goes before the other; with neither, one is drawn. Raises UsageError.
    """
    rules: dict[str, tuple[Rule, Any]] = {
        "optimize_mode": (words("minimize", "maximize"), default_mode),
        "seed": (integer(0), seed),
        **(own or {}),
    }
    unknown = [name for name in class_args if name not in rules]
    if unknown:
        raise UsageError(f"tuner {tuner}: classArgs has {', '.join(unknown)}; it can have {', '.join(rules)}.")
    found: dict[str, Any] = {}
    for name, ((accepted, convert), default) in rules.items():
        given = class_args.get(name)
        found[name] = default if given is None else convert(given)
        if given is not None and found[name] is None:
            raise UsageError(f"tuner {tuner}: {name} is {given!r}; accepted: {accepted}.")
    drawn = secrets.randbelow(2**31) if found["seed"] is None else found["seed"]
    return Arguments(drawn, found["optimize_mode"] == "maximize", found)


def words(*accepted: str) -> Rule:
    """One of some words, in any case."""

    def convert(value: Any) -> str | None:
        return next((word for word in accepted if str(value).lower() == word.lower()), None)

    return " or ".join(accepted), convert


def integer(least: int, most: float = math.inf) -> Rule:
    """A whole number in a range, ends included."""

    def convert(value: Any) -> int | None:
        return value if isinstance(value, int) and not isinstance(value, bool) and least <= value <= most else None

    return f"a whole number of at least {least}{_top(most)}", convert


def real(least: float, most: float = math.inf) -> Rule:
    """A finite number in a range, ends included."""

    def convert(value: Any) -> float | None:
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
            return None
        return float(value) if least <= value <= most else None

    return f"a number of at least {least}{_top(most)}", convert


def _top(most: float) -> str:
    return "" if most == math.inf else f" and at most {most}"


def positive() -> Rule:
    """A finite number above 0."""
    _, convert = real(0)
    return "a number above 0", lambda value: convert(value) or None


def flag() -> Rule:
    """True or false."""
    return "true or false", lambda value: value if isinstance(value, bool) else None


def text() -> Rule:
    """A text that is not empty."""
    return "a text", lambda value: value if isinstance(value, str) and value else None
