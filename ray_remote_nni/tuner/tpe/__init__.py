"""Tree-structured Parzen estimators, with hyperopt as the engine."""

from __future__ import annotations

from ray_remote_nni.tuner.tpe.settings import TpeSettings, parse_tpe_settings
from ray_remote_nni.tuner.tpe.strategy import Tpe

__all__ = ["Tpe", "TpeSettings", "parse_tpe_settings"]
