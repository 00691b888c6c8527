"""Tree-structured Parzen estimators, with hyperopt as the engine."""

from __future__ import annotations

from ray_remote_nni.tuner.tpe.settings import TpeSettings, parse_tpe_settings
from ray_remote_nni.tuner.tpe.tuner import TpeTuner

__all__ = ["TpeSettings", "TpeTuner", "parse_tpe_settings"]
