"""Made-up trials and what they write."""

from __future__ import annotations

import json
from typing import Any

from ray_remote_nni.trial.spec import TrialSpec


def trial_spec(**changes: Any) -> TrialSpec:
    """The first attempt of the first trial of an experiment."""
    known = {
        "experiment_id": "exp12345",
        "trial_id": "aB3dE",
        "sequence": 0,
        "attempt": 1,
        "parameters": {"lr": 0.1, "layer": {"_name": "conv", "größe": 3}},
        "command": "true",
        "code": "0123456789abcdef",
        "gpu_number": 0,
        "timeout_s": None,
    }
    return TrialSpec(**{**known, **changes})


def metric_record(value: Any, kind: str = "PERIODICAL", sequence: int = 0) -> bytes:
    """A record as NNI's SDK writes it."""
    fields = {"parameter_id": 0, "trial_job_id": "t", "type": kind, "sequence": sequence, "value": json.dumps(value)}
    line = json.dumps(fields).encode() + b"\n"
    return b"ME%06d%b" % (len(line), line)
