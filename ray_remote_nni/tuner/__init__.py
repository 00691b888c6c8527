"""Tuners: they suggest the parameters of the next trial. Usable without Ray and without a cluster."""

from __future__ import annotations

from ray_remote_nni.tuner.contract import NoMoreTrials, Tuner
from ray_remote_nni.tuner.create import create_tuner

__all__ = ["NoMoreTrials", "Tuner", "create_tuner"]
