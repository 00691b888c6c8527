"""NNI's search-space JSON, read into a SearchSpace; what makes no sense is refused with its path."""

from __future__ import annotations

import math
from collections.abc import Mapping
from itertools import count
from typing import Any

from ray_remote_nni.errors import UsageError
from ray_remote_nni.tuner.space.domains import Choice, Domain, Integer, Normal, Uniform, is_number
from ray_remote_nni.tuner.space.space import Parameter, SearchSpace

_RANGES = ("uniform", "quniform", "loguniform", "qloguniform")
_NORMALS = ("normal", "qnormal", "lognormal", "qlognormal")
TYPES = ("choice", "randint", *_RANGES, *_NORMALS)


def parse_search_space(search_space: Mapping[str, Any]) -> SearchSpace:
    """Read NNI's JSON (as a dict) of the ten types and nested choices; raises UsageError for anything else."""
    return SearchSpace(_parse_level(search_space, "", count(), None, None))


def _parse_level(
    level: Any, path: str, indices: count[int], parent: int | None, branch: int | None
) -> tuple[Parameter, ...]:
    if not isinstance(level, Mapping):
        raise UsageError(f"search space{_at(path)}: {level!r} is not an object of named parameters.")
    return tuple(
        _parse_parameter(name, spec, f"{path}.{name}" if path else str(name), indices, parent, branch)
        for name, spec in level.items()
        if name != "_name"
    )


def _parse_parameter(
    name: str, spec: Any, path: str, indices: count[int], parent: int | None, branch: int | None
) -> Parameter:
    if not isinstance(spec, Mapping) or "_type" not in spec or "_value" not in spec:
        raise UsageError(f'search space{_at(path)}: expected {{"_type": ..., "_value": ...}}, found {spec!r}.')
    kind, values = spec["_type"], spec["_value"]
    if kind not in TYPES:
        raise UsageError(f"search space{_at(path)}: type {kind!r} is none of {', '.join(TYPES)}.")
    if not isinstance(values, (list, tuple)):
        raise UsageError(f"search space{_at(path)}: _value {values!r} is not a list.")
    index = next(indices)
    if kind == "choice" and _is_nested(values):
        names = [value["_name"] for value in values]
        if len({str(name) for name in names}) != len(names):
            raise UsageError(f"search space{_at(path)}: two choices have the same _name.")
        branches = tuple(
            _parse_level(value, f"{path}.{names[number]}", indices, index, number)
            for number, value in enumerate(values)
        )
        return Parameter(name, index, Choice(tuple(names), nested=True), branches, parent, branch)
    return Parameter(name, index, _parse_domain(kind, values, path), (), parent, branch)


def _parse_domain(kind: str, values: list[Any] | tuple[Any, ...], path: str) -> Domain:
    if kind == "choice":
        if not values:
            raise UsageError(f"search space{_at(path)}: a choice needs at least one value.")
        return Choice(tuple(values))
    expected = 3 if kind.startswith("q") else 2
    if len(values) != expected or not all(is_number(value) for value in values):
        raise UsageError(f"search space{_at(path)}: {kind} needs {expected} numbers, found {list(values)!r}.")
    step = float(values[2]) if expected == 3 else None
    if step is not None and step <= 0:
        raise UsageError(f"search space{_at(path)}: the step q of {kind} must be above 0, found {step}.")
    log = "log" in kind
    if kind in _NORMALS:
        if values[1] <= 0:
            raise UsageError(f"search space{_at(path)}: sigma of {kind} must be above 0, found {values[1]}.")
        return Normal(float(values[0]), float(values[1]), log, step)
    if not values[0] < values[1]:
        raise UsageError(f"search space{_at(path)}: {kind} needs low < high, found {list(values)!r}.")
    if kind == "randint":
        # NNI takes the next integer above a bound that is not one.
        low, high = math.ceil(values[0]), math.ceil(values[1])
        if low == high:
            raise UsageError(f"search space{_at(path)}: no integer is in [{values[0]}, {values[1]}).")
        return Integer(low, high)
    if log and values[0] <= 0:
        raise UsageError(f"search space{_at(path)}: {kind} needs low > 0, found {values[0]}.")
    return Uniform(float(values[0]), float(values[1]), log, step)


def _is_nested(values: list[Any] | tuple[Any, ...]) -> bool:
    return bool(values) and all(isinstance(value, Mapping) and "_name" in value for value in values)


def _at(path: str) -> str:
    return f", {path}" if path else ""
