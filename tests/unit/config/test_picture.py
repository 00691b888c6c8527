"""What `check` says that an experiment will do."""

from __future__ import annotations

import inspect
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from config_texts import LOCAL, MINIMAL, Experiment

from ray_remote_nni.assessor.curve_fitting import CurveFitting
from ray_remote_nni.assessor.median_stop import MedianStop
from ray_remote_nni.config import ExperimentConfig, load_config, picture
from ray_remote_nni.config.algorithm_defaults import DEFAULTS
from ray_remote_nni.tuner.models.gp import GpSettings
from ray_remote_nni.tuner.models.metis import MetisSettings
from ray_remote_nni.tuner.pbt import PbtSettings
from ray_remote_nni.tuner.tpe.settings import TpeSettings

REMOTE = """\
trialGpuNumber: 1
maxTrialDuration: 90
trainingService:
  platform: remote
  machineList:
    - {host: 192.0.2.1, user: alice, password: hunter2, gpuIndices: '0,1', maxTrialNumberPerGpu: 2}
    - {host: 192.0.2.2, port: 2022, user: bob, password: ask, useActiveGpu: true, pythonPath: /opt/py/bin}
    - {host: 192.0.2.3, user: eve}
"""
NESTED = """\
searchSpace:
  lr: {_type: quniform, _value: [0, 1, 0.25]}
  layer:
    _type: choice
    _value:
      - {_name: conv, size: {_type: choice, _value: [3, '3', true]}}
      - {_name: none}
trialCommand: python3 train.py
trialConcurrency: 2
tuner: {name: TPE, classArgs: {optimize_mode: maximize, tpe_args: {constant_liar_type: null}}}
trainingService: {platform: local}
"""


def rows(config: ExperimentConfig, title: str) -> list[tuple[str, ...]]:
    [section] = [section for section in picture(config) if section.title.startswith(title)]
    return list(section.rows)


def test_each_machine_has_a_row_with_its_login_its_python_and_its_gpus(experiment: Experiment) -> None:
    assert rows(experiment(MINIMAL + REMOTE), "Machines") == [
        ("alice@192.0.2.1", "password", "the login's own PATH", "0, 1 for 2 trials each, not while others use them"),
        ("bob@192.0.2.2:2022", "password, asked for", "/opt/py/bin", "all, also while others use them"),
        (
            "eve@192.0.2.3",
            "SSH agent, or your usual keys",
            "the login's own PATH",
            "all, not while others use them",
        ),
    ]


def test_a_machine_whose_user_is_known_from_elsewhere_is_shown_by_its_host(tmp_path: Path) -> None:
    file = tmp_path / "config.yml"
    file.write_text(MINIMAL + "trainingService: {platform: remote, machineList: [{host: gpu7}]}\n")
    loaded = load_config(file, {}, has_user=lambda host, port: (host, port) == ("gpu7", None))
    assert [row[0] for row in rows(loaded.experiment, "Machines")] == ["gpu7"]


def test_no_secret_is_in_it(experiment: Experiment) -> None:
    config = experiment(MINIMAL + REMOTE + "ray: {trialEnvironment: {API_TOKEN: abc123, MODE: fast}}\n")
    text = json.dumps([section.rows for section in picture(config)])
    assert "hunter2" not in text
    assert "abc123" not in text
    assert ("$MODE", "fast") in rows(config, "Trials")


def test_nested_choices_are_shown_below_what_they_hang_on(experiment: Experiment) -> None:
    assert rows(experiment(NESTED), "Search space") == [
        ("lr", "quniform", "low 0, high 1, q 0.25"),
        ("layer", "choice", "conv, none"),
        ("  if conv:", "", ""),
        ("    size", "choice", '3, "3", true'),
    ]


def test_every_setting_of_tpe_is_shown_with_its_default(experiment: Experiment) -> None:
    shown = dict(rows(experiment(LOCAL), "Tuner: TPE"))
    assert set(shown) == set(DEFAULTS["TPE"])
    assert all(value.endswith("(default)") for value in shown.values())


def test_a_setting_that_is_given_is_shown_as_it_is(experiment: Experiment) -> None:
    shown = dict(rows(experiment(NESTED), "Tuner: TPE"))
    assert shown["optimize_mode"] == "maximize"
    assert shown["constant_liar_type"] == "null: running trials do not count"
    assert shown["linear_forgetting"] == "25 (default)"


def test_the_defaults_that_are_shown_are_those_of_the_tuner() -> None:
    settings = TpeSettings(seed=0)
    for name in ("n_startup_jobs", "linear_forgetting", "prior_weight"):
        assert DEFAULTS["TPE"][name] == str(getattr(settings, name))
    assert (settings.maximize, settings.n_ei_candidates, settings.gamma, settings.liar) == (False, None, None, None)


@pytest.mark.parametrize(
    ("name", "settings"), [("GP", GpSettings()), ("Metis", MetisSettings()), ("PBT", PbtSettings())]
)
def test_the_defaults_that_are_shown_are_those_of_the_settings(name: str, settings: Any) -> None:
    # By default, the driver says where PBT's checkpoints are.
    own = {key: str(value) for key, value in asdict(settings).items() if key != "all_checkpoint_dir"}
    assert {key: value for key, value in DEFAULTS[name].items() if key in own} == own


@pytest.mark.parametrize(("name", "algorithm"), [("Medianstop", MedianStop), ("Curvefitting", CurveFitting)])
def test_the_defaults_that_are_shown_are_those_of_the_assessor(name: str, algorithm: type) -> None:
    parameters = inspect.signature(algorithm).parameters.values()
    assert DEFAULTS[name] == {parameter.name: str(parameter.default) for parameter in parameters}


def test_what_is_special_about_a_machine_is_in_its_row(experiment: Experiment) -> None:
    options = "ray: {machines: {192.0.2.2: {maxTrials: 2, trialEnvironment: {A: b}}, 192.0.2.3: {enabled: false}}}\n"
    machines = rows(experiment(MINIMAL + REMOTE + options), "Machines")
    assert [row[4] for row in machines] == ["", "at most 2 trials, $A=b", "not used"]


def test_limits_are_shown_in_the_largest_unit_that_fits(experiment: Experiment) -> None:
    limits = dict(rows(experiment(MINIMAL + REMOTE), "Limits"))
    assert (limits["trials"], limits["time of all"], limits["time of a trial"]) == ("no limit", "no limit", "90s")
