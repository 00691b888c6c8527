from __future__ import annotations

from typing import Any

from experiment_values import experiment_spec

from ray_remote_nni.experiment.changes import changed
from ray_remote_nni.experiment.differences import differences
from ray_remote_nni.records.model import ExperimentRecord


def experiment_record(**changes: Any) -> ExperimentRecord:
    known = dict.fromkeys(ExperimentRecord.__dataclass_fields__)
    return ExperimentRecord(**{**known, "config": {"maxExperimentDuration": "1h"}, **changes})


def test_a_change_reaches_the_spec_and_the_config_in_the_records() -> None:
    spec = experiment_spec(config={"trialConcurrency": 2, "trialCommand": "t"})
    space = {"y": {"_type": "choice", "_value": [1, 2]}}

    after = changed(spec, {"trialConcurrency": 5, "maxExperimentDuration": 60.0, "searchSpace": space})

    assert (after.trial_concurrency, after.max_experiment_duration_s, after.search_space) == (5, 60.0, space)
    assert after.max_trial_number == spec.max_trial_number
    assert after.config == {
        "trialCommand": "t",
        "trialConcurrency": 5,
        "maxExperimentDuration": 60.0,
        "searchSpace": space,
    }


def test_what_cannot_change_is_left_alone() -> None:
    assert changed(experiment_spec(), {"trialCommand": "rm"}) == experiment_spec()


def test_a_person_is_told_old_and_new_values() -> None:
    space = {"x": {"_type": "uniform", "_value": [0, 1]}, "z": {"_type": "uniform", "_value": [0, 1]}}
    other = {"x": {"_type": "uniform", "_value": [0, 2]}, "y": {"_type": "choice", "_value": [1, 2]}}
    record = experiment_record(search_space=space, max_trial_number=None, trial_concurrency=2)
    changes = {"trialConcurrency": 5, "maxTrialNumber": 40, "maxExperimentDuration": 5400.0, "searchSpace": other}

    assert differences(record, changes) == [
        "trialConcurrency 2 → 5",
        "maxTrialNumber no limit → 40",
        "maxExperimentDuration 1h → 90m",
        "searchSpace: x changed, y new, z gone",
    ]
    assert differences(record, {"searchSpace": space}) == ["searchSpace: as it was"]
