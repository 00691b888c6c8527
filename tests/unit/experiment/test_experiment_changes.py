from __future__ import annotations

from experiment_values import experiment_spec

from ray_remote_nni.experiment.changes import changed


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
