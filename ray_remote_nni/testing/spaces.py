"""A search space of each type, and what NNI's reference says of their values, written down again."""

from __future__ import annotations

import json
import math
from typing import Any

Space = dict[str, Any]


def _spec(kind: str, *values: Any) -> Space:
    return {"_type": kind, "_value": list(values)}


#: By name: one for each of NNI's ten types, and one with nested choices.
SPACES: dict[str, Space] = {
    "choice": {"x": _spec("choice", "relu", 3, 0.5, None, True, *range(10, 40)), "y": _spec("choice", *range(30))},
    "numeric choice": {"x": _spec("choice", *range(0, 80, 2)), "y": _spec("choice", *range(30))},
    "randint": {"x": _spec("randint", -3, 400)},
    "uniform": {"x": _spec("uniform", -1, 2.5), "y": _spec("uniform", 0, 1)},
    "quniform": {"x": _spec("quniform", 0.05, 90.3, 0.2)},
    "loguniform": {"x": _spec("loguniform", 1e-5, 0.1)},
    "qloguniform": {"x": _spec("qloguniform", 4, 5000, 4)},
    "normal": {"x": _spec("normal", 3, 2)},
    "qnormal": {"x": _spec("qnormal", 50, 200, 0.5)},
    "lognormal": {"x": _spec("lognormal", -4, 1)},
    "qlognormal": {"x": _spec("qlognormal", 5, 2, 0.5)},
    "nested": {
        "model": _spec(
            "choice",
            {"_name": "linear", "weight": _spec("uniform", 0, 1)},
            {"_name": "tree", "depth": _spec("randint", 1, 90), "rate": _spec("loguniform", 0.001, 1)},
            {
                "_name": "net",
                "width": _spec("randint", 8, 129),
                "head": _spec("choice", {"_name": "plain"}, {"_name": "deep", "drop": _spec("uniform", 0, 0.5)}),
            },
        ),
        "scale": _spec("choice", True, False),
    },
}


def assert_legal(space: Space, parameters: dict[str, Any], extra: frozenset[str] = frozenset()) -> None:
    """Fail unless the parameters are a point of the space, by NNI's reference of search spaces.

    `extra` are names that a tuner adds.
    """
    json.dumps(parameters, allow_nan=False)
    assert [name for name in parameters if name not in extra] == list(space)
    for name, spec in space.items():
        if name != "_name":
            _assert_legal_value(spec["_type"], spec["_value"], parameters[name])


def _assert_legal_value(kind: str, values: list[Any], value: Any) -> None:
    if kind == "choice":
        if all(isinstance(item, dict) and "_name" in item for item in values):
            (branch,) = [item for item in values if item["_name"] == value["_name"]]
            assert_legal(branch, value)
        else:
            assert json.dumps(value) in [json.dumps(item) for item in values]
        return
    if kind == "randint":
        assert type(value) is int
        assert values[0] <= value < values[1]
        return
    assert type(value) is float
    if "uniform" in kind:
        assert values[0] <= value <= values[1]
    if "log" in kind:
        assert value >= 0
    if kind.startswith("q"):
        step = values[2]
        rounded = round(value / step) * step
        at_a_bound = "uniform" in kind and value in (values[0], values[1])
        assert at_a_bound or math.isclose(value, rounded, rel_tol=1e-9, abs_tol=1e-12)
