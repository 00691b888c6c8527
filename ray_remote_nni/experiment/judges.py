"""The assessor of an experiment: ours by NNI's name, the user's own class, or none."""

from __future__ import annotations

from collections.abc import Sequence

from ray_remote_nni.assessor import create_assessor
from ray_remote_nni.experiment.assessing import BuiltIn, Judge
from ray_remote_nni.experiment.own_algorithms import OwnAssessor
from ray_remote_nni.experiment.spec import ExperimentSpec
from ray_remote_nni.records.model import TrialRecord


def create_judge(spec: ExperimentSpec, trials: Sequence[TrialRecord]) -> Judge | None:
    """Return the judge of an experiment that has had these trials, or None."""
    if spec.own_assessor is not None:
        return OwnAssessor(spec, spec.own_assessor, resumed=bool(trials))
    if spec.assessor is None:
        return None
    judge = BuiltIn(spec.assessor["name"], create_assessor(spec.assessor["name"], spec.assessor["class_args"]))
    judge.learn(trials)
    return judge
