"""NNI's Batch: goes through the parameter sets that the search space lists, in their order."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import numpy as np

from ray_remote_nni.errors import UsageError
from ray_remote_nni.tuner.contract import NoMoreTrials
from ray_remote_nni.tuner.space.domains import json_key


class Batch:
    """A Strategy that learns nothing; a trial is the place of its parameters in the list."""

    def __init__(self, search_space: Mapping[str, Any]) -> None:
        """Take a search space of one choice (`combine_params`, by custom), whose values are the parameter sets.

        Raises UsageError for any other.
        """
        self._sets = _parameter_sets(search_space)
        self._left = dict(enumerate(json_key(parameters) for parameters in self._sets))

    def suggest(self, rng: np.random.Generator) -> tuple[dict[str, Any], int]:
        """Return the first parameter set that is left; see Strategy."""
        if not self._left:
            raise NoMoreTrials("every parameter set of the search space was asked for")
        place = next(iter(self._left))
        del self._left[place]
        return copy.deepcopy(self._sets[place]), place

    def recognise(self, parameters: dict[str, Any], rng: np.random.Generator) -> int | None:
        """Return the place of an earlier trial; see Strategy."""
        key = json_key(parameters)
        place = next((place for place, left in self._left.items() if left == key), None)
        if place is not None:
            del self._left[place]
        return place

    def learn(self, trial: int, loss: float | None) -> None:
        """Do nothing."""


def _parameter_sets(search_space: Mapping[str, Any]) -> list[Any]:
    specs = list(search_space.values())
    if len(specs) != 1 or not isinstance(specs[0], Mapping) or specs[0].get("_type") != "choice":
        raise UsageError(
            "tuner Batch: the search space must be one choice among parameter sets, such as "
            '{"combine_params": {"_type": "choice", "_value": [{"lr": 0.1}, {"lr": 0.01}]}}.'
        )
    sets = specs[0].get("_value")
    if not isinstance(sets, (list, tuple)) or not sets or not all(isinstance(each, Mapping) for each in sets):
        raise UsageError("tuner Batch: the _value of the search space must be a list of objects, a parameter set each.")
    return list(sets)
