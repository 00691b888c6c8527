"""What whoever writes a tuner can test it with; needs pytest."""

from __future__ import annotations

from ray_remote_nni.testing.spaces import assert_legal
from ray_remote_nni.testing.tuner import TunerContract

__all__ = ["TunerContract", "assert_legal"]
