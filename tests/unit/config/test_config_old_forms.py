"""Forms that NNI accepted at some time, as its examples of many years have them."""

from __future__ import annotations

from pathlib import Path

import pytest
from config_texts import MINIMAL, Experiment, Problems

from ray_remote_nni.config import RemoteConfig, to_v2_yaml

V1 = """\
authorName: someone
experimentName: old
trialConcurrency: 1
maxTrialNum: 3
trainingServicePlatform: %s
useAnnotation: false
"""
MACHINES = """\
machineList:
  - {ip: 192.0.2.1, username: alice, passwd: secret, preCommand: 'source ${HOME}/env/bin/activate'}
  - {ip: 192.0.2.2, username: alice, passwd: secret, preCommand: '%s'}
"""


def v1_with_machines(second: str, tmp_path: Path) -> str:
    (tmp_path / "search_space.json").write_text('{"x": {"_type": "uniform", "_value": [0, 1]}}')
    return (
        V1 % "remote"
        + "searchSpacePath: search_space.json\ntuner: {builtinTunerName: TPE}\n"
        + "trial: {command: python3 train.py, codeDir: ., gpuNum: 0}\n"
        + MACHINES % second
    )


def test_the_same_command_before_trials_on_all_machines_starts_the_trials_command(
    experiment: Experiment, tmp_path: Path
) -> None:
    config = experiment(v1_with_machines("source ${HOME}/env/bin/activate", tmp_path))
    assert config.trial_command == "source ${HOME}/env/bin/activate && python3 train.py"
    assert "source ${HOME}/env/bin/activate && python3 train.py" in to_v2_yaml(tmp_path / "config.yml", {})


def test_different_commands_before_trials_are_an_error(problems: Problems, tmp_path: Path) -> None:
    [problem] = problems(v1_with_machines("conda activate other", tmp_path))
    assert problem.field == "machineList[0].preCommand"
    assert "different commands" in problem.message


def test_the_name_of_nni_2_0_for_it_is_accepted_too(experiment: Experiment) -> None:
    config = experiment(
        MINIMAL
        + "trainingService:\n  platform: remote\n  machineList:\n"
        + "    - {host: 192.0.2.1, user: a, password: p, trial_prepare_command: . env.sh}\n"
    )
    assert config.trial_command == ". env.sh && python3 train.py"


def test_several_remote_training_services_are_one_with_all_machines(experiment: Experiment) -> None:
    config = experiment(
        MINIMAL
        + "trainingService:\n"
        + "  - {platform: remote, machineList: [{host: 192.0.2.1, user: a, password: p}]}\n"
        + "  - {platform: remote, machineList: [{host: 192.0.2.2, user: b, password: p}]}\n"
    )
    assert isinstance(config.training_service, RemoteConfig)
    assert [machine.host for machine in config.training_service.machine_list] == ["192.0.2.1", "192.0.2.2"]


def test_an_error_in_the_second_of_them_has_its_name_there(problems: Problems) -> None:
    [problem] = problems(
        MINIMAL
        + "trainingService:\n"
        + "  - {platform: remote, machineList: [{host: 192.0.2.1, user: a, password: p}]}\n"
        + "  - {platform: remote, machineList: [{host: 192.0.2.2, user: b, password: p, port: 0}]}\n"
    )
    assert problem.field == "trainingService[1].machineList[0].port"


@pytest.mark.parametrize("name", ["trainingService: {platform: aml, computeTarget: '${TARGET}'}", V1 % "pai"])
def test_a_platform_that_is_refused_is_one_error_whatever_its_fields_lack(name: str, problems: Problems) -> None:
    text = name if name.startswith("author") else MINIMAL + name
    if text.startswith("author"):
        text += (
            "searchSpacePath: s.json\ntrial: {command: a, codeDir: '.', image: '${IMAGE}'}\npaiConfig: {host: '${H}'}\n"
        )
    refused = [problem for problem in problems(text) if "accepted: local or remote" in problem.message]
    assert len(refused) == 1
    assert not any("environment variable" in problem.message for problem in problems(text))


def test_nor_is_a_command_missed_where_each_role_of_a_trial_has_its_own(problems: Problems) -> None:
    text = V1 % "kubeflow" + "searchSpacePath: s.json\ntrial: {codeDir: '.', worker: {command: a, replicas: 1}}\n"
    assert not any(p.field in ("trial.command", "trialCommand") for p in problems(text))


def test_a_folder_of_a_tuner_that_is_not_there_is_one_error(problems: Problems) -> None:
    text = MINIMAL.replace("tuner: {name: TPE}", "tuner: {codeDirectory: gone, className: my.Tuner}")
    text += "trainingService: {platform: local}\n"
    [problem] = problems(text)
    assert problem.field == "tuner.codeDirectory"
    assert "gone does not exist" in problem.message


def test_variables_of_other_fields_are_named_beside_a_platform_that_is_refused(problems: Problems) -> None:
    text = MINIMAL + "experimentName: ${NAME}\ntrainingService: {platform: aml, computeTarget: '${TARGET}'}\n"
    assert [p.field for p in problems(text)] == ["experimentName", "trainingService.platform"]


def test_a_placeholder_that_was_not_filled_in_is_shown(problems: Problems) -> None:
    text = MINIMAL + "trainingService:\n  platform: remote\n  machineList:\n    - host: ${the server's address}\n"
    messages = [problem.message for problem in problems(text + "      user: a\n      password: p\n")]
    assert messages == ['found "${the server\'s address}"; a variable is ${NAME} or ${NAME:-default}']


def test_a_password_with_a_dollar_brace_is_not_shown(problems: Problems) -> None:
    text = (
        MINIMAL
        + "trainingService:\n  platform: remote\n  machineList:\n    - {host: h, user: a, password: 'x${y z}'}\n"
    )
    [problem] = problems(text)
    assert "y z" not in problem.message


def test_a_comma_before_the_closing_bracket_of_a_json_search_space_is_named(problems: Problems, tmp_path: Path) -> None:
    # The tab keeps it from being good YAML, which allows that comma.
    (tmp_path / "space.json").write_text('{\n\t"x": {"_type": "choice", "_value": [1, 2]},\n}\n')
    text = MINIMAL.split("trialCommand")[1]
    [problem] = problems("searchSpaceFile: space.json\ntrialCommand" + text + "trainingService: {platform: local}\n")
    assert (problem.line, problem.column) == (2, 44)
    assert problem.remedy == "Remove the comma"


def test_a_range_that_is_one_number_is_refused_with_the_choice_to_write(problems: Problems) -> None:
    [problem] = problems(MINIMAL.replace("[0.0, 1.0]", "[2, 2]") + "trainingService: {platform: local}\n")
    assert problem.remedy == 'For a constant, write {"_type": "choice", "_value": [2]}'
