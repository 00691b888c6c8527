"""A command that was typed, and what its user sees."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Typed:
    """What a command did."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


Type = Callable[..., Typed]


def raising(error: BaseException) -> object:
    """Stand for a function that fails so."""

    def fail(*_: object, **__: object) -> None:
        raise error

    return fail
