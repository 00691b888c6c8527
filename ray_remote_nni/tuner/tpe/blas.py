"""Products and triangular systems in pieces: a larger one wakes BLAS's threads, which cost far more than they save.

For a system of 150 equations they take up to 75 ms in place of 0.1, where other processes want the cores.
"""

from __future__ import annotations

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
_Number = TypeVar("_Number", np.float32, np.float64)

# In multiplications; OpenBLAS begins to use threads at 4 * 65536.
_LARGEST_PRODUCT = 200_000
# Of a system; OpenBLAS begins to use threads at 64.
_BLOCK = 48


def product(left: NDArray[_Number], right: NDArray[_Number]) -> NDArray[_Number]:
    """Return left @ right."""
    rows = max(1, _LARGEST_PRODUCT // max(right.size, 1))
    result = np.empty((len(left), right.shape[1]), left.dtype)
    for first in range(0, len(left), rows):
        np.matmul(left[first : first + rows], right, out=result[first : first + rows])
    return result


class Cholesky:
    """The lower triangle L with L @ L.T equal to a positive definite matrix."""

    def __init__(self, matrix: Floats) -> None:
        """Work out L, and the inverses of the blocks on its diagonal."""
        self.lower: Floats = np.zeros_like(matrix)
        self._inverses: list[Floats] = []
        for first, last in _blocks(len(matrix)):
            left = self.lower[:, :first]
            panel = matrix[first:, first:last] - product(left[first:], left[first:last].T)
            inverse = np.linalg.inv(np.linalg.cholesky(panel[: last - first]))
            self.lower[first:, first:last] = product(panel, inverse.T)
            self._inverses.append(inverse)

    def whiten(self, rows: Floats) -> Floats:
        """Return x with x @ L.T equal to `rows`; shorter rows go with as much of L."""
        found = np.empty_like(rows)
        for inverse, (first, last) in zip(self._inverses, _blocks(rows.shape[1]), strict=False):
            rest = rows[:, first:last] - product(found[:, :first], self.lower[first:last, :first].T)
            found[:, first:last] = product(rest, inverse[: last - first, : last - first].T)
        return found

    def unwhiten(self, rows: Floats) -> Floats:
        """Return x with x @ L equal to `rows`; shorter rows go with as much of L."""
        found, count = np.empty_like(rows), rows.shape[1]
        for number, (first, last) in reversed(list(enumerate(_blocks(count)))):
            rest = rows[:, first:last] - product(found[:, last:], self.lower[last:count, first:last])
            found[:, first:last] = product(rest, self._inverses[number][: last - first, : last - first])
        return found


def _blocks(count: int) -> list[tuple[int, int]]:
    return [(first, min(first + _BLOCK, count)) for first in range(0, count, _BLOCK)]
