"""What the driver on the head is told of an experiment."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from experiment_values import experiment_entry, experiment_spec

from ray_remote_nni.cluster.state import ClusterState, MachineState, MissingMachine
from ray_remote_nni.config import LoadedConfig, load_config
from ray_remote_nni.errors import UsageError
from ray_remote_nni.experiment.spec import MachineSpec, read_spec, write_spec
from ray_remote_nni.experiment.submit import (
    check_gpus,
    check_results_folder,
    kept_here,
    machine_specs,
    make_spec,
    new_experiment_id,
)

CONFIG = """\
experimentName: digits
searchSpace: {x: {_type: uniform, _value: [0, 1]}}
trialCommand: python3 t.py
trialConcurrency: 4
maxTrialNumber: 20
maxTrialDuration: 10m
maxExperimentDuration: 1h
tuner: {name: TPE, classArgs: {optimize_mode: maximize, seed: 3}}
"""
REMOTE = """\
trainingService:
  platform: remote
  machineList:
    - {host: 192.0.2.1, user: bob, password: bob123}
"""


def load(tmp_path: Path, more: str = REMOTE) -> LoadedConfig:
    file = tmp_path / "config.yml"
    file.write_text(CONFIG + more)
    return load_config(file, {})


def test_a_spec_is_read_as_it_was_written(tmp_path: Path) -> None:
    spec = experiment_spec(
        machines=(MachineSpec(0, "h", 2),), trial_environment={"A": "1"}, search_space={"x": {"_value": [1e-5, 2]}}
    )
    write_spec(tmp_path / "exp", spec.to_json())
    assert read_spec(tmp_path / "exp") == spec


def test_a_spec_can_be_read_by_its_owner_only(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        write_spec(tmp_path / "exp", experiment_spec().to_json())
    finally:
        os.umask(before)
    assert (tmp_path / "exp" / "experiment.json").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "exp").stat().st_mode & 0o777 == 0o700


def test_a_second_spec_replaces_the_first_and_leaves_nothing_else(tmp_path: Path) -> None:
    write_spec(tmp_path, experiment_spec(name="one").to_json())
    write_spec(tmp_path, experiment_spec(name="two").to_json())
    assert read_spec(tmp_path).name == "two"
    assert [file.name for file in tmp_path.iterdir()] == ["experiment.json"]


@pytest.mark.parametrize(
    ("arguments", "mode"),
    [({}, "minimize"), ({"optimize_mode": "minimize"}, "minimize"), ({"optimize_mode": "maximize"}, "maximize")],
)
def test_the_optimize_mode_is_the_tuners_and_minimize_is_its_default(arguments: dict[str, Any], mode: str) -> None:
    assert experiment_spec(tuner_args=arguments).optimize_mode == mode


@pytest.mark.parametrize(
    ("tuner", "assessor", "mode"),
    [
        ({}, {}, "maximize"),
        ({}, {"optimize_mode": "minimize"}, "minimize"),
        ({"optimize_mode": "maximize"}, {"optimize_mode": "minimize"}, "maximize"),
    ],
)
def test_a_tuner_of_ones_own_that_is_told_nothing_goes_by_the_assessors_mode(
    tuner: dict[str, Any], assessor: dict[str, Any], mode: str
) -> None:
    spec = experiment_spec(own_tuner={"class_args": tuner}, assessor={"name": "Medianstop", "class_args": assessor})
    assert spec.optimize_mode == mode


@pytest.mark.parametrize(
    ("arguments", "seed"), [({}, None), ({"seed": None}, None), ({"seed": 0}, 0), ({"seed": 5}, 5)]
)
def test_the_seed_is_the_tuners(arguments: dict[str, Any], seed: int | None) -> None:
    assert experiment_spec(tuner_args=arguments).seed == seed


def test_a_configuration_becomes_a_spec(tmp_path: Path) -> None:
    spec = make_spec(load(tmp_path), "exp12345", "0123456789abcdef", cluster_with_gpus(0))
    assert (spec.experiment_id, spec.code, spec.name) == ("exp12345", "0123456789abcdef", "digits")
    assert (spec.trial_concurrency, spec.max_trial_number) == (4, 20)
    assert (spec.max_trial_duration_s, spec.max_experiment_duration_s) == (600, 3600)
    assert (spec.tuner, spec.optimize_mode, spec.seed) == ("TPE", "maximize", 3)


def test_a_seed_that_is_not_given_is_drawn_and_kept_for_whoever_goes_on(tmp_path: Path) -> None:
    loaded = load(tmp_path)
    tuner = loaded.experiment.tuner.model_copy(update={"class_args": {}})
    silent = replace(loaded, experiment=loaded.experiment.model_copy(update={"tuner": tuner}))
    first, second = (make_spec(silent, "e", "c", cluster_with_gpus(0)) for _ in range(2))
    assert first.seed is not None
    assert first.seed != second.seed
    write_spec(tmp_path, first.to_json())
    assert read_spec(tmp_path).seed == first.seed


def test_no_password_is_in_a_spec(tmp_path: Path) -> None:
    assert "bob123" not in make_spec(load(tmp_path), "e", "c", cluster_with_gpus(0)).to_json()


def test_a_remote_trial_has_its_machines_environment(tmp_path: Path) -> None:
    assert make_spec(load(tmp_path), "e", "c", cluster_with_gpus(0)).base_environment is None


def test_a_local_trial_has_the_callers_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_VARIABLE", "1")
    base = make_spec(
        load(tmp_path, "trainingService: {platform: local}\n"), "e", "c", cluster_with_gpus(0)
    ).base_environment
    assert base is not None
    assert base["MY_VARIABLE"] == "1"


def test_an_experiments_id_is_eight_small_letters_and_digits_and_never_the_same() -> None:
    ids = {new_experiment_id() for _ in range(200)}
    assert len(ids) == 200
    assert all(len(one) == 8 and one.isalnum() and one == one.lower() for one in ids)


def test_the_configuration_and_the_results_are_not_uploaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    kept = kept_here(load(tmp_path, REMOTE + "experimentWorkingDirectory: results\n"))
    assert kept == {tmp_path / "config.yml", tmp_path / "results"}


def test_results_that_lie_beside_the_code_are_not_uploaded_either(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    (tmp_path / "home").mkdir()
    experiment_entry(tmp_path / "exp12345").save()
    kept = kept_here(load(tmp_path, REMOTE + "experimentWorkingDirectory: .\ntrialCodeDirectory: .\n"))
    assert kept == {tmp_path / "config.yml", tmp_path / "exp12345"}


def cluster_with_gpus(*gpus: int) -> ClusterState:
    machines = tuple(
        MachineState(f"m{n}", None, None, n, f"m{n}", "/h", "/p", "/d", "/t", tuple(range(count)))
        for n, count in enumerate(gpus)
    )
    return ClusterState("c", "/c.yml", "remote", "up", 1.0, "token", "lib", "2.60.0", "m0:1", 2, machines)


def test_trials_that_no_machine_could_ever_run_are_refused_with_what_each_has(tmp_path: Path) -> None:
    loaded = load(tmp_path, REMOTE + "trialGpuNumber: 2\n")
    with pytest.raises(
        UsageError, match=r"wants 2 GPUs, and no machine offers more than 1 \(m0: 1, m1: 0\)\. Lower it"
    ):
        check_gpus(loaded, cluster_with_gpus(1, 0))


@pytest.mark.parametrize("more", ["trialGpuNumber: 2\n", "trialGpuNumber: 0\n", ""])
def test_trials_that_one_machine_can_run_are_not_refused(tmp_path: Path, more: str) -> None:
    check_gpus(load(tmp_path, REMOTE + more), cluster_with_gpus(0, 2))


MIXED = """\
trainingService:
  platform: remote
  machineList:
    - {host: m0, useActiveGpu: true}
    - {host: m1, maxTrialNumberPerGpu: 2}
    - {host: m2}
trialGpuNumber: 1
ray:
  trialEnvironment: {A: all}
  machines: {m1: {maxTrials: 3, trialEnvironment: {A: mine}}, m2: {maxTrials: 0}}
""".replace("{host: m", "{user: bob, password: bob123, host: m")


def test_each_machines_own_wishes_are_told_by_its_place_in_the_cluster(tmp_path: Path) -> None:
    loaded = load(tmp_path, MIXED)
    state = cluster_with_gpus(1, 1, 1)
    renumbered = tuple(replace(machine, user="bob", index=machine.index + 5) for machine in reversed(state.machines))
    told = {spec.index: spec for spec in machine_specs(loaded.experiment, replace(state, machines=renumbered))}
    assert told[5] == MachineSpec(5, "m0", use_active_gpu=True)
    assert told[6] == MachineSpec(6, "m1", max_trials=3, trials_per_gpu=2, environment={"A": "mine"})
    assert told[7] == MachineSpec(7, "m2", max_trials=0)


def test_a_machine_that_the_cluster_misses_so_far_is_told_of_all_the_same(tmp_path: Path) -> None:
    state = cluster_with_gpus(1)
    head = replace(state.head, user="bob")
    missing = (MissingMachine("m1", None, "bob", 4),)
    told = machine_specs(load(tmp_path, MIXED).experiment, replace(state, machines=(head,), missing=missing))
    assert told[1] == MachineSpec(4, "m1", max_trials=3, trials_per_gpu=2, environment={"A": "mine"})


def test_the_gpus_of_a_machine_that_runs_no_trials_do_not_count(tmp_path: Path) -> None:
    state = cluster_with_gpus(0, 0, 4)
    machines = tuple(replace(machine, user="bob") for machine in state.machines)
    with pytest.raises(UsageError, match="no machine offers more than 0"):
        check_gpus(load(tmp_path, MIXED), replace(state, machines=machines))


def test_a_trial_is_bound_to_its_machine_where_that_matters() -> None:
    assert not experiment_spec(machines=(MachineSpec(0),)).pinned
    assert experiment_spec(trial_gpu_number=1).pinned
    assert experiment_spec(machines=(MachineSpec(0, max_trials=1),)).pinned
    assert experiment_spec(machines=(MachineSpec(0, environment={"A": "1"}),)).pinned


def test_results_that_could_be_kept_nowhere_are_refused_before_anything_starts(tmp_path: Path) -> None:
    check_results_folder(tmp_path / "new" / "folder")
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match=r"experimentWorkingDirectory: .*/file/results: .*/file is no folder"):
        check_results_folder(tmp_path / "file" / "results")
