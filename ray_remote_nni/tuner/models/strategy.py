"""A strategy by a model: the model sees all results, and the trials that run."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol

import numpy as np
from threadpoolctl import ThreadpoolController

from ray_remote_nni.tuner.models.cube import Cube, Floats
from ray_remote_nni.tuner.models.results import Results
from ray_remote_nni.tuner.picker import Picker
from ray_remote_nni.tuner.space import Numbers, SearchSpace


class Model(Protocol):
    """Says where to look next."""

    #: How many trials must have a value before it is asked; until then configurations are drawn.
    cold_start: int

    def preferred(self, results: Results, rng: np.random.Generator) -> Iterator[Floats]:
        """Yield points of the cube, the preferred one first."""
        ...


class ModelStrategy:
    """A Strategy by a Model; a trial is its place among the results."""

    def __init__(self, space: SearchSpace, cube: Cube, model: Model, avoid_duplicates: bool) -> None:
        """Start without trials."""
        self._cube = cube
        self._model = model
        self._picker = Picker(space, avoid_duplicates)
        self._results = Results()
        self._threads = ThreadpoolController()

    def suggest(self, rng: np.random.Generator) -> tuple[dict[str, Any], int]:
        """Return a configuration; see Strategy."""
        # The cores are the trials': BLAS takes all of them for matrices that are too small to gain by it.
        with self._threads.limit(limits=1):
            parameters, numbers = self._picker.pick(self._proposals(rng), rng)
        return parameters, self._results.add(numbers)

    def recognise(self, parameters: dict[str, Any], rng: np.random.Generator) -> int | None:
        """Return the place of an earlier trial; see Strategy."""
        numbers = self._picker.recognise(parameters)
        return None if numbers is None else self._results.add(numbers)

    def learn(self, trial: int, loss: float | None) -> None:
        """Take the end of a trial; see Strategy."""
        self._results.end(trial, loss)

    def _proposals(self, rng: np.random.Generator) -> Iterator[Numbers]:
        """What the model prefers, then draws from the space."""
        if self._results.valued >= max(self._model.cold_start, 1):
            for point in self._model.preferred(self._results, rng):
                yield self._cube.numbers(point)
        while True:
            yield self._cube.numbers(self._cube.draw(1, rng)[0])
