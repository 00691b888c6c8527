"""Which search spaces a tuner takes that cannot take all of them: as in NNI."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from ray_remote_nni.errors import UsageError


def refuse_unsupported(
    tuner: str, search_space: Mapping[str, Any], types: Collection[str], *, numeric_choices: bool
) -> None:
    """Raise UsageError that names each parameter of another type, each nested choice, and each choice of other values.

    `numeric_choices` says that a choice must be one among numbers. The space must be one that can be parsed.
    """
    problems = []
    for name, spec in search_space.items():
        kind, values = spec["_type"], spec["_value"]
        if kind not in types:
            problems.append(f"{name} is a {kind}, and accepted are {', '.join(types)}")
        elif kind != "choice":
            continue
        elif any(isinstance(value, Mapping) and "_name" in value for value in values):
            problems.append(f"{name} is a nested choice, which it does not know")
        elif numeric_choices and not all(isinstance(value, (int, float)) for value in values):
            problems.append(f"{name} has choices that are no numbers")
    if problems:
        raise UsageError(f"tuner {tuner}: {'; '.join(problems)}.")
