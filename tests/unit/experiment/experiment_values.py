"""Made-up experiments: their specs, their entries, their records."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ray_remote_nni.experiment.registry import ExperimentEntry
from ray_remote_nni.experiment.spec import ExperimentSpec
from ray_remote_nni.records.create import create_records
from ray_remote_nni.records.store import RecordStore

SEARCH_SPACE = {"x": {"_type": "uniform", "_value": [0, 1]}}


def experiment_spec(**changes: Any) -> ExperimentSpec:
    """An experiment as its driver is told of it."""
    known = {
        "experiment_id": "exp12345",
        "name": None,
        "config": {"trialCommand": "python3 t.py"},
        "search_space": SEARCH_SPACE,
        "tuner": "TPE",
        "tuner_args": {"optimize_mode": "maximize", "seed": 7},
        "trial_command": "python3 t.py",
        "code": "0123456789abcdef",
        "trial_concurrency": 2,
        "max_trial_number": 10,
        "max_experiment_duration_s": None,
        "max_trial_duration_s": None,
        "trial_gpu_number": None,
        "trial_cpu_number": 0.0,
        "trial_memory_bytes": None,
        "max_trial_retries": 3,
        "trial_environment": {},
        "base_environment": None,
    }
    return ExperimentSpec(**{**known, **changes})


def experiment_entry(folder: Path, **changes: Any) -> ExperimentEntry:
    """An experiment as the client remembers it, its mirror in `folder`."""
    known = {
        "experiment_id": "exp12345",
        "name": None,
        "directory": str(folder),
        "cluster": "abc123",
        "config": "/home/alice/config.yml",
        "started": 1000.0,
        "code": "0123456789abcdef",
        "job": "ray-nni-exp12345-1",
    }
    return ExperimentEntry(**{**known, **changes})


def new_records(file: Path, **changes: Any) -> RecordStore:
    """The records of an experiment without trials."""
    file.parent.mkdir(parents=True, exist_ok=True)
    known = {
        "experiment_id": "exp12345",
        "name": None,
        "config": {},
        "search_space": SEARCH_SPACE,
        "optimize_mode": "maximize",
        "max_trial_number": 10,
        "trial_concurrency": 2,
        "seed": 7,
    }
    return create_records(file, **{**known, **changes})
