"""Linear algebra in pieces is linear algebra."""

from __future__ import annotations

import numpy as np
import pytest

from ray_remote_nni.tuner.tpe.blas import Cholesky, product


@pytest.mark.parametrize("count", [1, 48, 49, 131])
def test_a_system_in_blocks_is_solved(count: int) -> None:
    rng = np.random.default_rng(0)
    root = rng.normal(size=(count, count))
    matrix = root @ root.T + np.eye(count)
    factor = Cholesky(matrix)
    np.testing.assert_allclose(factor.lower, np.linalg.cholesky(matrix), atol=1e-8)
    for shorter in {count, (count + 1) // 2}:
        rows, lower = rng.normal(size=(3, shorter)), factor.lower[:shorter, :shorter]
        np.testing.assert_allclose(factor.whiten(rows) @ lower.T, rows, atol=1e-8)
        np.testing.assert_allclose(factor.unwhiten(rows) @ lower, rows, atol=1e-8)


def test_a_product_in_pieces_is_a_product() -> None:
    left, right = np.random.default_rng(0).normal(size=(2, 90, 90))
    np.testing.assert_allclose(product(left, right), left @ right)
