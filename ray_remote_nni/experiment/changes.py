"""What `update` changes in an experiment while it runs. Pure: the changed spec, from which resume goes on too."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from ray_remote_nni.experiment.spec import ExperimentSpec

#: The fields of a configuration that can change, and those of the spec that hold them.
CHANGEABLE = {
    "trialConcurrency": "trial_concurrency",
    "maxTrialNumber": "max_trial_number",
    "maxExperimentDuration": "max_experiment_duration_s",
    "searchSpace": "search_space",
}


def changed(spec: ExperimentSpec, changes: Mapping[str, Any]) -> ExperimentSpec:
    """Return the spec with these fields of the configuration changed; durations are seconds. Others are ignored."""
    known = {name: value for name, value in changes.items() if name in CHANGEABLE}
    fields: dict[str, Any] = {CHANGEABLE[name]: value for name, value in known.items()}
    return dataclasses.replace(spec, config={**spec.config, **known}, **fields)
