"""NNI's search space: its ten parameter types and nested choices, checked without any library."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from ray_remote_nni.config.names import FieldPath, listed, nearest

RANGE_TYPES = (
    "randint",
    "uniform",
    "quniform",
    "loguniform",
    "qloguniform",
    "normal",
    "qnormal",
    "lognormal",
    "qlognormal",
)
TYPES = ("choice", *RANGE_TYPES)

_NAS_TYPES = ("layer_choice", "input_choice", "value_choice", "mutable_layer", "mutable_type")


#: A search space, as an example.
EXAMPLE = '{"lr": {"_type": "loguniform", "_value": [0.0001, 0.1]}}'
#: The logarithm of the largest number that there is.
_LARGEST_LOG = 709


@dataclass(frozen=True)
class SpaceProblem:
    """Something wrong or noteworthy at a path in the search space: `("lr", "_value", 1)`."""

    path: FieldPath
    message: str
    remedy: str | None = None
    level: Literal["error", "warning"] = "error"


def check_search_space(space: Any) -> tuple[dict[str, Any], list[SpaceProblem]]:
    """The space with the numbers of its ranges as numbers, and what is wrong with it.

    YAML reads `1e-4` as a text. In a range it is taken as the number, as NNI does; in a choice it stays what the file
    says, with a warning. Choices are passed on as they are. With errors, the returned space is of no use.
    """
    if not isinstance(space, dict):
        remedy = f"Write {EXAMPLE}"
        if isinstance(space, str):
            remedy = "Remove the quotes around it" if "{" in space else f"Write searchSpaceFile: {_plain(space)}"
        return {}, [SpaceProblem((), f"found {_shown(space)}; accepted: a mapping of parameter names", remedy)]
    checker = _Checker()
    checked = checker.space(space, ())
    if not space:
        checker.warn((), "it is empty: every trial gets the same, empty parameters")
    return checked, checker.problems


class _Checker:
    def __init__(self) -> None:
        self.problems: list[SpaceProblem] = []

    def error(self, path: FieldPath, message: str, remedy: str | None = None) -> None:
        self.problems.append(SpaceProblem(path, message, remedy))

    def warn(self, path: FieldPath, message: str, remedy: str | None = None) -> None:
        self.problems.append(SpaceProblem(path, message, remedy, "warning"))

    def space(self, space: dict[str, Any], path: FieldPath) -> dict[str, Any]:
        checked: dict[str, Any] = {}
        for name, spec in space.items():
            here = (*path, name)
            if isinstance(spec, dict):
                checked[name] = self.parameter(spec, here)
            else:
                fixed = spec if isinstance(spec, list) else [spec]
                text = json.dumps(fixed, ensure_ascii=False, default=str)
                remedy = f'Write {{"_type": "choice", "_value": {text if len(text) <= 60 else "[...]"}}}'
                message = f"found {_shown(spec)}; accepted: a mapping with _type and _value"
                self.error(here, message, "Give both" if spec is None else f"{remedy} for a fixed set of values")
        return checked

    def parameter(self, spec: dict[str, Any], path: FieldPath) -> dict[str, Any]:
        for key in spec:
            if key not in ("_type", "_value"):
                close = nearest(str(key), [name for name in ("_type", "_value") if name not in spec])
                if close is None:
                    self.warn((*path, key), "a parameter has no such field; it is ignored", "Remove it")
                else:
                    self.error((*path, key), "a parameter has no such field", f"Write {close}")
                    return {}
        missing = [key for key in ("_type", "_value") if key not in spec]
        if missing:
            self.error(path, f"{listed(missing)} is missing", "Give both _type and _value")
            return {}
        kind, values = spec["_type"], spec["_value"]
        if kind not in TYPES:
            self.unknown_type(kind, (*path, "_type"))
            return {}
        here = (*path, "_value")
        if not isinstance(values, list):
            quoted = isinstance(values, str) and values.strip().startswith("[")
            remedy = "Remove the quotes around it" if quoted else "Put it in square brackets"
            self.error(here, f"found {_shown(values)}; accepted: a list", remedy)
            return {}
        if kind == "choice":
            return {"_type": kind, "_value": self.choice(values, here)}
        return {"_type": kind, "_value": self.range(kind, values, here)}

    def unknown_type(self, kind: Any, path: FieldPath) -> None:
        if kind in _NAS_TYPES:
            self.error(path, f"{kind} is a type of NNI's architecture search", f"Accepted here: {listed(TYPES)}")
            return
        close = nearest(str(kind), TYPES)
        self.error(
            path,
            f"found {_shown(kind)}; accepted: {listed(TYPES)}",
            f"Write {close}" if close is not None else "Write choice for a fixed set of values",
        )

    def choice(self, values: list[Any], path: FieldPath) -> list[Any]:
        if not values:
            self.error(path, "a choice needs at least one value")
            return []
        named = [isinstance(value, dict) and "_name" in value for value in values]
        if all(named):
            return self.nested(values, path)
        if any(named):
            for index in [index for index, has_name in enumerate(named) if not has_name]:
                message = "this choice has no _name, and others beside it have one"
                self.error((*path, index), message, "Give each of them a _name, or none")
            return self.nested(values, path)
        for index, value in enumerate(values):
            if isinstance(value, dict) and _holds_parameter(value):
                message = "it has no _name, so trials get it as it is: nothing is chosen from what is in it"
                self.warn((*path, index), message, "Give each of these choices a _name, and its parameters beside it")
            if isinstance(value, str) and _is_number_text(value):
                self.warn(
                    (*path, index),
                    f"trials get the text {_shown(value)}, not a number",
                    f"Write {float(value)!r} if you mean the number" if math.isfinite(float(value)) else None,
                )
        self.few_values(values, path)
        return values

    def few_values(self, values: list[Any], path: FieldPath) -> None:
        if len(values) == 1:
            self.warn(path, "there is only one value, so this parameter is a constant")
        seen: set[str] = set()
        for index, value in enumerate(values):
            # JSON tells 1 from 1.0 and from true, which Python's == does not.
            text = json.dumps(value, sort_keys=True, default=str)
            if text in seen:
                self.warn((*path, index), f"{_shown(value)} is there twice, so it is chosen twice as often")
            seen.add(text)

    def nested(self, values: list[Any], path: FieldPath) -> list[dict[str, Any]]:
        checked: list[dict[str, Any]] = []
        names: list[Any] = []
        for index, value in enumerate(values):
            if not isinstance(value, dict) or "_name" not in value:
                continue
            name = value["_name"]
            names.append(name)
            if isinstance(name, dict | list) or name is None:
                self.error((*path, index, "_name"), f"found {_shown(name)}; accepted: a name")
            parameters = {key: spec for key, spec in value.items() if key != "_name"}
            # Behind the name, so that a trial's parameters start with it, as in NNI.
            checked.append({"_name": name, **self.space(parameters, (*path, index))})
        self.few_values(names, path)
        return checked

    def range(self, kind: str, values: list[Any], path: FieldPath) -> list[Any]:
        names = range_names(kind)
        if len(values) != len(names):
            remedy = f"Write [{', '.join(names)}]"
            if kind == "randint" and len(values) == 1:
                remedy = f"Write [0, {values[0]}]"
            elif len(values) == 3 and f"q{kind}" in RANGE_TYPES:
                remedy += f", or q{kind} for steps"
            self.error(path, f"{kind} takes {len(names)} values, found {len(values)}", remedy)
            return []
        numbers = [_number(value) for value in values]
        bad = [index for index, number in enumerate(numbers) if number is None]
        if kind == "randint":
            bad = [i for i, number in enumerate(numbers) if number is None or number != math.floor(number)]
        wanted = "a whole number" if kind == "randint" else "a number"
        for index in bad:
            self.error((*path, index), f"found {_shown(values[index])}; accepted: {wanted} for {names[index]}")
        checked = [number for number in numbers if number is not None]
        if bad:
            return []
        for index, message, hint in _range_errors(kind, checked):
            self.error((*path, index), message, hint)
        return [int(number) for number in checked] if kind == "randint" else checked


def range_names(kind: str) -> tuple[str, ...]:
    """What the values of a type other than choice are, in order."""
    names = ("mu", "sigma") if kind.endswith("normal") else ("low", "high")
    return (*names, "q") if kind.startswith("q") else names


def _range_errors(kind: str, numbers: list[float | int]) -> Iterator[tuple[int, str, str | None]]:
    first, second = numbers[:2]
    if kind.endswith("normal"):
        if second <= 0:
            yield 1, f"sigma must be above 0, found {second}", None
        elif kind.endswith("lognormal") and first + 10 * second > _LARGEST_LOG:
            message = f"mu and sigma of {kind} are of the logarithm: exp({first} + {second}) and more will be drawn"
            yield 0, message, "Write the logarithms of what you mean"
    elif first >= second:
        excluded = ", which is excluded itself" if kind == "randint" else ""
        turned = json.dumps([second, first, *numbers[2:]])
        remedy = f"Write {turned}" if first > second and (second > 0 or "log" not in kind) else None
        if first == second and kind != "randint":
            remedy = f'For a constant, write {{"_type": "choice", "_value": [{first}]}}'
        yield 0, f"low must be below high{excluded}, found {first} and {second}", remedy
    elif not math.isfinite(float(second) - first):
        yield 0, "high is further from low than any number says", "Write a narrower range"
    if kind.endswith("loguniform") and first <= 0:
        message = f"low must be above 0, found {first}: the bounds of {kind} are given as they are, not as logarithms"
        yield 0, message, None
    if len(numbers) == 3 and numbers[2] <= 0:
        yield 2, f"q, the step, must be above 0, found {numbers[2]}", None


def _number(value: Any) -> float | int | None:
    """The value as a finite number, whole ones whole."""
    if isinstance(value, str):
        if not _is_number_text(value):
            return None
        value = float(value)
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return value


def _is_number_text(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _holds_parameter(value: Any) -> bool:
    if isinstance(value, dict):
        return {"_type", "_value"} <= value.keys() or any(map(_holds_parameter, value.values()))
    return isinstance(value, list) and any(map(_holds_parameter, value))


def _plain(text: str) -> str:
    return text if len(text) <= 60 else "search_space.json"


def _shown(value: Any) -> str:
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list):
        return f"a list of {len(value)}"
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 60 else text[:57] + "..."
