"""Machines that do not share what a population's members go on from are told."""

from __future__ import annotations

from experiment_values import experiment_spec

from ray_remote_nni.experiment.agenda import Waiting
from ray_remote_nni.experiment.attempt import trial_spec
from ray_remote_nni.experiment.checkpoints import Checkpoints
from ray_remote_nni.experiment.outcome import Outcome
from ray_remote_nni.experiment.placement import Node, Place
from ray_remote_nni.experiment.spec import MachineSpec
from ray_remote_nni.records.model import TrialRecord
from ray_remote_nni.trial.spec import Started, TrialSpec
from ray_remote_nni.tuner.needs import needs_of

SUCCEEDED = Outcome("SUCCEEDED", 1.0, 1.0, None, None)


def member(place: int, step: int, loads: int) -> TrialSpec:
    """A trial of PBT's, which goes on from what member `loads` saved a step before."""
    folders = {"load_checkpoint_dir": f"/c/{loads}/{max(step - 1, 0)}", "save_checkpoint_dir": f"/c/{place}/{step}"}
    waiting = Waiting(f"{place}at{step}", 0, 1, {"x": 0.5, **folders})
    return trial_spec(experiment_spec(tuner="PBT"), waiting, Place(Node("n", 0), (), MachineSpec(0)))


def checkpoints(*trials: TrialRecord) -> Checkpoints:
    return Checkpoints(needs_of("PBT"), trials)


def on(machine: str, *, missing: bool = True) -> Started:
    return Started(machine, (), 0.0, missing)


def test_a_trial_without_the_checkpoint_of_another_machine_is_told_once() -> None:
    known = checkpoints()
    assert known.of(member(0, 0, 0), on("a"), SUCCEEDED) == []
    assert known.of(member(1, 0, 1), on("b"), SUCCEEDED) == []
    assert known.of(member(0, 1, 0), on("a", missing=False), SUCCEEDED) == []
    ((level, text),) = known.of(member(1, 1, 0), on("b"), SUCCEEDED)
    assert level == "warning"
    assert "trial 1at1 was to go on from /c/0/0, which a trial on a has saved and b does not have" in text
    assert "all_checkpoint_dir must be a folder that all machines share" in text
    assert known.of(member(0, 2, 1), on("a"), SUCCEEDED) == []


def test_a_script_that_saves_nothing_is_not_taken_for_machines_that_share_nothing() -> None:
    known = checkpoints()
    known.of(member(0, 0, 0), on("a"), SUCCEEDED)
    assert known.of(member(0, 1, 0), on("a"), SUCCEEDED) == []


def test_what_has_failed_has_saved_nothing() -> None:
    known = checkpoints()
    known.of(member(0, 0, 0), on("a"), Outcome("FAILED", None, None, "exit code 1", None))
    assert known.of(member(1, 1, 0), on("b"), SUCCEEDED) == []


def test_what_was_saved_before_a_resume_is_known() -> None:
    nothing = dict.fromkeys(("metric", "start_time", "end_time", "exit_code", "error", "gpu_indices"), None)
    saved = TrialRecord(  # type: ignore[arg-type]
        "0at0", 0, "SUCCEEDED", member(0, 0, 0).parameters, 1, value=1.0, create_time=0.0, machine="a", tuner_order=1,
        **nothing,
    )  # fmt: skip
    assert len(checkpoints(saved).of(member(1, 1, 0), on("b"), SUCCEEDED)) == 1


def test_a_trial_of_another_tuner_goes_on_from_nothing() -> None:
    waiting = Waiting("aaaaa", 0, 1, {"load_checkpoint_dir": "/c/0/0"})
    told = trial_spec(experiment_spec(tuner="TPE"), waiting, Place(Node("n", 0), (), MachineSpec(0)))
    assert told.loads is None
