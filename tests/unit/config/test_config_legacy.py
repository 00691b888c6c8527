"""NNI's v1 schema."""

from __future__ import annotations

from pathlib import Path

import pytest
from config_texts import Experiment, Load, Problems

from ray_remote_nni.config import RemoteConfig

REMOTE = """\
authorName: alice
experimentName: mnist
description: an example
trialConcurrency: 3
maxExecDuration: 1h
maxTrialDuration: 10m
maxTrialNum: 10
searchSpacePath: space.json
logDir: logs
trainingServicePlatform: remote
useAnnotation: false
multiThread: false
versionCheck: true
logCollection: none
tuner:
  builtinTunerName: TPE
  classArgs:
    optimize_mode: maximize
  gpuIndices: 0
  includeIntermediateResults: true
assessor:
  builtinAssessorName: Medianstop
  classArgs: {start_step: 5}
trial:
  command: python3 mnist.py
  codeDir: code
  gpuNum: 1
  nasMode: classic_mode
machineList:
  - ip: 192.0.2.1
    username: alice
    sshKeyPath: ~/.ssh/id_rsa
    passphrase: open sesame
    gpuIndices: "0,1"
    maxTrialNumPerGpu: 2
    useActiveGpu: true
  - ip: 192.0.2.2
    port: 10022
    username: bob
    passwd: bob123
    pythonPath: /opt/bin
remoteConfig:
  reuse: true
"""
LOCAL = """\
trialConcurrency: 1
searchSpacePath: space.json
trainingServicePlatform: local
tuner: {builtinTunerName: TPE}
trial: {command: sh x.sh, codeDir: .}
"""


@pytest.fixture(autouse=True)
def _space(tmp_path: Path) -> None:
    (tmp_path / "space.json").write_text('{"x": {"_type": "uniform", "_value": [0, 1]}}')
    (tmp_path / "code").mkdir()


def test_a_v1_config_is_the_same_experiment_in_v2(experiment: Experiment, tmp_path: Path, home: Path) -> None:
    config = experiment(REMOTE)
    assert config.experiment_name == "mnist"
    assert config.trial_command == "python3 mnist.py"
    assert config.trial_code_directory == tmp_path / "code"
    assert config.experiment_working_directory == tmp_path / "logs"
    assert config.search_space == {"x": {"_type": "uniform", "_value": [0, 1]}}
    assert (config.trial_concurrency, config.trial_gpu_number, config.max_trial_number) == (3, 1, 10)
    assert (config.max_experiment_duration_s, config.max_trial_duration_s) == (3600, 600)
    assert (config.tuner.name, config.tuner.class_args) == ("TPE", {"optimize_mode": "maximize"})
    assert config.tuner_gpu_indices == (0,)
    assert config.assessor is not None
    assert (config.assessor.name, config.assessor.class_args) == ("Medianstop", {"start_step": 5})
    service = config.training_service
    assert isinstance(service, RemoteConfig)
    assert service.reuse_mode is True
    alice, bob = service.machine_list
    assert (alice.host, alice.user, alice.ssh_key_file) == ("192.0.2.1", "alice", home / ".ssh" / "id_rsa")
    assert alice.ssh_passphrase is not None
    assert alice.ssh_passphrase.get_secret_value() == "open sesame"
    assert (alice.gpu_indices, alice.max_trial_number_per_gpu, alice.use_active_gpu) == ((0, 1), 2, True)
    assert (bob.host, bob.port, bob.user, bob.python_path) == ("192.0.2.2", 10022, "bob", "/opt/bin")
    assert bob.password is not None
    assert bob.password.get_secret_value() == "bob123"


def test_each_dropped_field_has_one_warning_with_its_line(load: Load) -> None:
    dropped = [problem for problem in load(REMOTE).warnings if "v2 schema has no such field" in problem.message]
    assert [(problem.field, problem.line) for problem in dropped] == [
        ("authorName", 1),
        ("description", 3),
        ("multiThread", 12),
        ("versionCheck", 13),
        ("logCollection", 14),
        ("tuner.includeIntermediateResults", 20),
        ("trial.nasMode", 28),
    ]


def test_warnings_name_the_fields_as_the_v1_file_does(load: Load) -> None:
    names = [problem.field for problem in load(REMOTE).warnings if "v2 schema has no such field" not in problem.message]
    assert "remoteConfig.reuse" in names
    assert "tuner.gpuIndices" in names


def test_a_local_v1_config_takes_its_gpus_from_local_config(experiment: Experiment) -> None:
    more = "localConfig: {gpuIndices: 1, useActiveGpu: true, maxTrialNumPerGpu: 1}\n"
    service = experiment(LOCAL + more).training_service
    assert (service.platform, service.gpu_indices, service.use_active_gpu) == ("local", (1,), True)  # type: ignore[union-attr]


def test_the_block_of_the_other_platform_is_dropped_with_a_warning(load: Load) -> None:
    [warning] = load(LOCAL + "machineList: [{ip: a, username: b}]\n").warnings
    assert (warning.field, warning.line) == ("machineList", 6)


def test_what_is_left_of_another_platform_is_told_as_such(problems: Problems) -> None:
    text = REMOTE.replace("  gpuNum: 1\n", "  gpuNum: 1\n  cpuNum: 2\n  image: nni\n")
    told = [problem for problem in problems(text + "paiConfig: {host: h}\n") if problem.level == "error"]
    assert [(problem.field, problem.message, problem.remedy) for problem in told] == [
        (
            "trial.cpuNum",
            "this is a field of other platforms",
            "Remove it; ray: {trialCpuNumber: 1} reserves CPUs for a trial",
        ),
        ("trial.image", "this is a field of other platforms", "Remove it"),
        ("paiConfig", "this is a field of other platforms", "Remove it"),
    ]


def test_that_a_tuner_had_several_threads_is_said_to_be_over(load: Load) -> None:
    [warning] = load(LOCAL + "multiThread: true\n").warnings
    assert "called one at a time, as in NNI since 2.4" in warning.message


def test_an_advisor_is_a_tuner(experiment: Experiment, problems: Problems) -> None:
    text = LOCAL.replace("tuner: {builtinTunerName", "advisor: {builtinAdvisorName")
    assert experiment(text.replace("TPE", "Hyperband")).tuner.name == "Hyperband"
    [problem] = problems(text.replace("TPE", "PPO"))
    assert problem.field == "advisor.builtinAdvisorName"


@pytest.mark.parametrize(
    ("old", "new", "field", "words"),
    [
        ("trialConcurrency: 1", "trialConcurrency: x", "trialConcurrency", "found 'x'"),
        ("trialConcurrency", "trialConcurency", "trialConcurency", "the nearest is trialConcurrency"),
        ("searchSpacePath", "searchSpaceFile", "searchSpaceFile", "in v1 this is searchSpacePath"),
        ("command: sh x.sh", "cmd: sh x.sh", "trial.cmd", "the nearest is command"),
        ("command: sh x.sh, ", "", "trial.command", "this field is required"),
        ("codeDir: .", "codeDir: nowhere", "trial.codeDir", "does not exist"),
        ("searchSpacePath: space.json\n", "", "searchSpacePath", "there is no search space"),
        ("space.json", "other.json", "searchSpacePath", "there is no such file"),
        ("{builtinTunerName: TPE}", "{builtinTunerName: TPEE}", "tuner.builtinTunerName", "there is no tuner 'TPEE'"),
        ("{builtinTunerName: TPE}", "{name: TPE}", "tuner.name", "in v1 this is builtinTunerName"),
        ("{builtinTunerName: TPE}", "{}", "tuner", "it names no algorithm"),
        ("{builtinTunerName: TPE}", "TPE", "tuner", "accepted: a mapping of fields"),
        ("{command: sh x.sh, codeDir: .}", "sh x.sh", "trial", "accepted: a mapping of fields"),
        ("trialConcurrency: 1\n", "trialConcurrency: 1\ntrial_concurrency: 2\n", "trial_concurrency", "the same field"),
        ("Platform: local", "Platform: pai", "trainingServicePlatform", "found 'pai'; accepted: local or remote"),
        ("trialConcurrency: 1\n", "trialConcurrency: 1\nmultiPhase: true\n", "multiPhase", "several phases"),
        ("trialConcurrency: 1\n", "trialConcurrency: 1\nzzzzz: 2\n", "zzzzz", "no such field in the v1 schema"),
        ("Platform: local", "Platform: remote", "machineList", "this field is required"),
    ],
)
def test_an_error_in_a_v1_file_speaks_v1(problems: Problems, old: str, new: str, field: str, words: str) -> None:
    assert old in LOCAL
    found = problems(LOCAL.replace(old, new))
    assert (field, True) in [(problem.field, words in problem.message) for problem in found]


def test_an_own_tuner_keeps_its_three_parts(problems: Problems, tmp_path: Path) -> None:
    own = "tuner: {codeDir: nowhere, classFileName: my_tuner.py, className: MyTuner, classArgs: {a: 1}}"
    found = problems(LOCAL.replace("tuner: {builtinTunerName: TPE}", own))
    assert {problem.field for problem in found} == {"tuner.codeDir"}


def test_the_constant_liar_of_old_configs_is_understood(load: Load) -> None:
    old = "{builtinTunerName: TPE, classArgs: {parallel_optimize: true, constant_liar_type: max}}"
    loaded = load(LOCAL.replace("{builtinTunerName: TPE}", old))
    assert loaded.experiment.tuner.class_args == {"tpe_args": {"constant_liar_type": "worst"}}
    assert len(loaded.warnings) == 2
    off = load(LOCAL.replace("{builtinTunerName: TPE}", old.replace("true", "false")))
    assert off.experiment.tuner.class_args == {"tpe_args": {"constant_liar_type": None}}


def test_variables_are_filled_in_and_the_trial_command_is_left_to_its_shell(experiment: Experiment) -> None:
    text = LOCAL.replace("trialConcurrency: 1", "trialConcurrency: ${N}").replace("sh x.sh", "'sh ${X}'")
    config = experiment(text, {"N": "7", "X": "y"})
    assert (config.trial_concurrency, config.trial_command) == (7, "sh ${X}")


def test_the_ray_block_works_in_a_v1_file_too(experiment: Experiment) -> None:
    assert experiment(LOCAL + "ray: {maxTrialRetries: 1}\n").ray.max_trial_retries == 1
