"""`${NAME}` in a config."""

from __future__ import annotations

import pytest
from config_texts import LOCAL, MINIMAL, Experiment, Problems

from ray_remote_nni.config import ConfigInvalid, RemoteConfig

REMOTE = MINIMAL + "trainingService:\n  platform: remote\n  machineList:\n    - {host: h, user: u%s}\n"


def password(experiment: Experiment, written: str, environ: dict[str, str]) -> str | None:
    service = experiment(REMOTE % f", password: {written}", environ).training_service
    assert isinstance(service, RemoteConfig)
    secret = service.machine_list[0].password
    return None if secret is None else secret.get_secret_value()


@pytest.mark.parametrize(
    ("written", "environ", "expected"),
    [
        ('"${PW}"', {"PW": "s3cret"}, "s3cret"),
        ('"a${PW}b${PW}"', {"PW": "x"}, "axbx"),
        ('"${PW:-other}"', {}, "other"),
        ('"${PW:-other}"', {"PW": ""}, "other"),
        ('"${PW:-other}"', {"PW": "x"}, "x"),
        ('"$${PW}"', {}, "${PW}"),
        ('"$PW $ {"', {}, "$PW $ {"),
        ("'${PW}'", {"PW": "0123"}, "0123"),
        ('"${PW}"', {"PW": "${OTHER}"}, "${OTHER}"),
        ('"ask"', {}, "ask"),
    ],
)
def test_variables_are_filled_in(experiment: Experiment, written: str, environ: dict[str, str], expected: str) -> None:
    assert password(experiment, written, environ) == expected


def test_an_unquoted_variable_is_taken_as_if_its_value_stood_there(experiment: Experiment) -> None:
    text = LOCAL.replace("trialConcurrency: 2", "trialConcurrency: ${N:-3}") + "debug: ${DEBUG}\n"
    config = experiment(text + "trialGpuNumber: ${GPUS:-}\n", {"DEBUG": "true"})
    assert (config.trial_concurrency, config.debug, config.trial_gpu_number) == (3, True, None)


def test_a_text_from_a_variable_is_not_turned_into_a_number(experiment: Experiment) -> None:
    config = experiment(LOCAL + "experimentName: ${NAME}\n", {"NAME": "007"})
    assert config.experiment_name == "007"


def test_variables_work_in_lists_and_inside_class_args_and_the_search_space(experiment: Experiment) -> None:
    text = LOCAL.replace("[0.0, 1.0]", "[0.0, '${HIGH}']").replace(
        "{name: TPE}", '{name: TPE, classArgs: {seed: "${SEED}"}}'
    )
    config = experiment(text, {"HIGH": "0.5", "SEED": "7"})
    assert config.search_space["lr"]["_value"] == [0.0, 0.5]
    assert config.tuner.class_args == {"seed": 7}


def test_the_variables_of_a_trial_command_are_left_to_the_trials_shell(experiment: Experiment) -> None:
    command = "python3 train.py --out ${NNI_OUTPUT_DIR} --home ${HOME}"
    text = LOCAL.replace("python3 train.py", command)
    assert experiment(text, {"HOME": "/home/me"}).trial_command == command


def test_every_variable_that_is_not_set_is_named_once(problems: Problems) -> None:
    text = REMOTE % ", password: '${PW}', port: '${PORT}', pythonPath: '${A}${B}'" + "maxTrialNumber: ${N}\n"
    found = problems(text)
    assert [problem.field for problem in found] == [
        "trainingService.machineList[0].password",
        "trainingService.machineList[0].port",
        "trainingService.machineList[0].pythonPath",
        "trainingService.machineList[0].pythonPath",
        "maxTrialNumber",
    ]
    assert [problem.message for problem in found[:2]] == [
        "the environment variable PW is not set",
        "the environment variable PORT is not set",
    ]


def test_a_dollar_brace_that_is_no_variable_is_an_error(problems: Problems) -> None:
    [problem] = problems(LOCAL + "experimentName: ${A:?no}\n")
    assert "a variable is ${NAME}" in problem.message


def test_the_value_of_a_variable_is_in_no_message(problems: Problems) -> None:
    [problem] = problems(LOCAL + "maxTrialNumber: ${N}\n", {"N": "hunter2"})
    assert problem.message == "found the value of ${N}; accepted: a whole number of at least 1"


def test_the_environment_is_that_of_the_process_unless_one_is_given(
    experiment: Experiment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAY_NNI_TEST_NAME", "there")
    with pytest.raises(ConfigInvalid, match="RAY_NNI_TEST_NAME is not set"):
        experiment(LOCAL + "experimentName: ${RAY_NNI_TEST_NAME}\n", {})
