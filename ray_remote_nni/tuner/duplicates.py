"""Which configurations were asked for, and one that was not."""

from __future__ import annotations

from array import array
from typing import Any

import numpy as np

from ray_remote_nni.tuner.space import Numbers, OutsideSpace, SearchSpace


class Asked:
    """The set of configurations that were asked for, by their settled numbers (see SearchSpace.settle)."""

    def __init__(self, space: SearchSpace) -> None:
        """Start with nothing asked for."""
        self._space = space
        self._keys: set[bytes] = set()

    def add(self, numbers: Numbers) -> None:
        """Note a configuration as asked for."""
        self._keys.add(key(numbers))

    def recognise(self, parameters: dict[str, Any]) -> Numbers | None:
        """Note an earlier trial's configuration as asked for; return its numbers, None if it is outside the space."""
        try:
            numbers = self._space.encode(parameters)
        except OutsideSpace:
            return None
        self.add(numbers)
        return numbers

    def __contains__(self, numbers: Numbers) -> bool:
        return key(numbers) in self._keys

    def any_other(self, rng: np.random.Generator) -> Numbers | None:
        """Return a configuration that was not asked for; None when there is none left.

        For finite spaces only. It walks through the space from a random place, so it takes the longer the
        fuller the space is: all in all n log n steps until a space of n configurations is used up.
        """
        size = self._space.size
        assert size is not None
        # Python's integers: a finite space can have more configurations than 64 bits can count.
        start = int.from_bytes(rng.bytes(size.bit_length() // 8 + 8), "big") % size
        for step in range(size):
            _, numbers = self._space.settle(self._space.configuration((start + step) % size))
            if numbers not in self:
                return numbers
        return None


def key(numbers: Numbers) -> bytes:
    """Return what is equal for equal configurations: their numbers may hold NaN, which equals nothing."""
    return array("d", numbers).tobytes()
