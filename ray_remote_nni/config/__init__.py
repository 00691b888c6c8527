"""From a YAML file to a typed, checked experiment; no I/O but reading the files named."""

from ray_remote_nni.config.advice import advise, advise_code, advise_run
from ray_remote_nni.config.convert import to_v2_yaml
from ray_remote_nni.config.load import LoadedConfig, load_config
from ray_remote_nni.config.models import (
    AlgorithmConfig,
    ExperimentConfig,
    LocalConfig,
    MachineConfig,
    RayConfig,
    RemoteConfig,
)
from ray_remote_nni.config.picture import Section, picture
from ray_remote_nni.config.problems import ConfigInvalid, Problem
from ray_remote_nni.config.schema import json_schema

__all__ = [
    "AlgorithmConfig",
    "ConfigInvalid",
    "ExperimentConfig",
    "LoadedConfig",
    "LocalConfig",
    "MachineConfig",
    "Problem",
    "RayConfig",
    "RemoteConfig",
    "Section",
    "advise",
    "advise_code",
    "advise_run",
    "json_schema",
    "load_config",
    "picture",
    "to_v2_yaml",
]
