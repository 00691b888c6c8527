"""How much better than the best so far a normally distributed loss is expected to be."""

from __future__ import annotations

import numpy as np
from scipy.special import ndtr

from ray_remote_nni.tuner.models.cube import Floats


def expected_improvement(means: Floats, deviations: Floats, best: float) -> Floats:
    """Return the expectation of max(best - loss, 0), per mean and deviation."""
    gain = best - means
    z = gain / deviations
    density = np.exp(-0.5 * z * z) / np.sqrt(2 * np.pi)
    return np.asarray(gain * ndtr(z) + deviations * density)
