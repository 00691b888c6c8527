"""Which search spaces the tuners take that do not take all of them, by NNI's documentation and validators."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from ray_remote_nni.config.names import listed
from ray_remote_nni.config.search_space import SpaceProblem


@dataclass(frozen=True)
class Accepted:
    """The types that a tuner takes, none of them nested; `numeric_choices`: a choice must be one among numbers."""

    types: tuple[str, ...]
    numeric_choices: bool = False


_LINEAR = ("choice", "randint", "uniform", "quniform")

ACCEPTED: Mapping[str, Accepted] = MappingProxyType(
    {
        "GP": Accepted((*_LINEAR, "loguniform", "qloguniform"), numeric_choices=True),
        "Metis": Accepted(_LINEAR, numeric_choices=True),
        "SMAC": Accepted((*_LINEAR, "loguniform")),
    }
)


def unsupported(tuner: str | None, space: Mapping[str, Any]) -> list[SpaceProblem]:
    """What the tuner of this name does not take in a search space that is otherwise right."""
    if tuner == "Batch":
        return list(_no_batch(space))
    accepted = ACCEPTED.get(tuner or "")
    if accepted is None:
        return []
    return [problem for name, spec in space.items() for problem in _unsupported(f"{tuner}", accepted, name, spec)]


def _no_batch(space: Mapping[str, Any]) -> Iterator[SpaceProblem]:
    remedy = 'Write it so: {"combine_params": {"_type": "choice", "_value": [{"lr": 0.1}, {"lr": 0.01}]}}'
    if len(space) != 1 or next(iter(space.values()))["_type"] != "choice":
        yield SpaceProblem((), "the tuner Batch takes one choice among parameter sets, and nothing else", remedy)
        return
    ((name, spec),) = space.items()
    wrong = [index for index, value in enumerate(spec["_value"]) if not isinstance(value, Mapping)]
    if wrong:
        more = f" (and {len(wrong) - 1} more are none)" if len(wrong) > 1 else ""
        message = f"each of Batch's values must be a set of parameters{more}"
        yield SpaceProblem((name, "_value", wrong[0]), message, remedy)


def _unsupported(tuner: str, accepted: Accepted, name: str, spec: Mapping[str, Any]) -> Iterator[SpaceProblem]:
    kind, values = spec["_type"], spec["_value"]
    if kind not in accepted.types:
        message = f"the tuner {tuner} does not take {kind}; accepted: {listed(accepted.types)}"
        yield SpaceProblem((name, "_type"), message, "Use one of these, or the tuner TPE, which takes all types")
    elif kind != "choice":
        return
    elif any(isinstance(value, Mapping) and "_name" in value for value in values):
        message = f"the tuner {tuner} does not take nested choices"
        yield SpaceProblem((name, "_value"), message, "Take the tuner TPE, or tune one branch at a time")
    elif accepted.numeric_choices:
        for index, value in enumerate(values):
            if not isinstance(value, int | float):
                message = f"the tuner {tuner} takes only numbers in a choice"
                yield SpaceProblem((name, "_value", index), message, "Write numbers, or take the tuner TPE")
