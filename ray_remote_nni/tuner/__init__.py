"""Tuners: they suggest the parameters of the next trial. Usable without Ray and without a cluster."""

from __future__ import annotations

from ray_remote_nni.tuner.contract import NoMoreTrials, NotYet, Tuner
from ray_remote_nni.tuner.create import TUNER_ALIASES, TUNER_NAMES, create_tuner

__all__ = ["TUNER_ALIASES", "TUNER_NAMES", "NoMoreTrials", "NotYet", "Tuner", "create_tuner"]
