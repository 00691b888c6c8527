"""The smallest configs there are, and the types of the fixtures that load them."""

from __future__ import annotations

from collections.abc import Callable

from ray_remote_nni.config import ExperimentConfig, LoadedConfig, Problem

# The smallest config there is; a test adds the lines that it is about.
MINIMAL = """\
searchSpace:
  lr: {_type: uniform, _value: [0.0, 1.0]}
trialCommand: python3 train.py
trialConcurrency: 2
tuner: {name: TPE}
"""
LOCAL = MINIMAL + "trainingService: {platform: local}\n"

Load = Callable[..., LoadedConfig]
Problems = Callable[..., list[Problem]]
Experiment = Callable[..., ExperimentConfig]
