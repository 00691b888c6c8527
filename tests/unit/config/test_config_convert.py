"""A config written as v2."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from config_texts import LOCAL, MINIMAL, Load

from ray_remote_nni.config import ConfigInvalid, to_v2_yaml

V1 = """\
authorName: alice
trialConcurrency: 3
maxExecDuration: 1h
searchSpacePath: space.json
trainingServicePlatform: remote
tuner:
  builtinTunerName: TPE
  classArgs: {optimize_mode: maximize, seed: null}
trial:
  command: |
    source env.sh
    python3 mnist.py --out ${NNI_OUTPUT_DIR}
  codeDir: .
machineList:
  - {ip: 192.0.2.1, username: alice, sshKeyPath: ~/.ssh/id_rsa, passphrase: hunter2}
  - {ip: 192.0.2.2, username: bob, passwd: "${PASSWORD}", gpuIndices: "0,1"}
  - {ip: 192.0.2.3, username: eve, passwd: 0123}
"""


@pytest.fixture
def path(tmp_path: Path, home: Path) -> Path:
    (tmp_path / "space.json").write_text('{"x": {"_type": "uniform", "_value": [0, 1]}}')
    return tmp_path / "config.yml"


def test_a_v1_file_becomes_a_clean_v2_one(path: Path) -> None:
    path.write_text(V1)
    assert (
        to_v2_yaml(path, {"PASSWORD": "x"})
        == """\
searchSpaceFile: space.json
trialCommand: |
  source env.sh
  python3 mnist.py --out ${NNI_OUTPUT_DIR}
trialCodeDirectory: .
trialConcurrency: 3
maxExperimentDuration: 1h
tuner:
  name: TPE
  classArgs:
    optimize_mode: maximize
    seed: null
trainingService:
  platform: remote
  machineList:
  - host: 192.0.2.1
    user: alice
    sshKeyFile: ~/.ssh/id_rsa
    sshPassphrase: ask
  - host: 192.0.2.2
    user: bob
    password: "${PASSWORD}"
    gpuIndices: 0,1
  - host: 192.0.2.3
    user: eve
    password: ask
"""
    )


def test_secrets_stay_only_if_asked_for(path: Path) -> None:
    path.write_text(V1)
    text = to_v2_yaml(path, {"PASSWORD": "from the environment"}, with_secrets=True)
    machines = yaml.safe_load(text.replace("0123", "'0123'"))["trainingService"]["machineList"]
    assert machines[0]["sshPassphrase"] == "hunter2"
    assert machines[1]["password"] == "${PASSWORD}"
    assert machines[2]["password"] == "0123"
    assert "from the environment" not in text


def test_the_converted_file_is_the_same_experiment(path: Path, load: Load) -> None:
    before = load(V1, {"PASSWORD": "x"}).experiment
    path.write_text(V1)
    after = load(to_v2_yaml(path, {"PASSWORD": "x"}, with_secrets=True), {"PASSWORD": "x"}).experiment
    assert after == before


def test_every_spelling_and_form_of_v2_becomes_the_usual_one(path: Path, load: Load) -> None:
    text = MINIMAL.replace("tuner:", "advisor:").replace("trialConcurrency", "TRIAL_CONCURRENCY")
    text += "maxTrialNumber: null\ntraining_service:\n- platform: local\n  trial_gpu_number: 0\n"
    before = load(text).experiment
    written = to_v2_yaml(path, {})
    assert list(yaml.safe_load(written)) == [
        "searchSpace",
        "trialCommand",
        "trialConcurrency",
        "trialGpuNumber",
        "tuner",
        "trainingService",
    ]
    assert load(written).experiment == before


@pytest.mark.parametrize(
    "value", ["'1'", "1", "1.0", "1e-3", "yes", "'yes'", "null", "'null'", "0x10", "'a: b'", "'#x'"]
)
def test_each_value_stays_what_it_was(path: Path, load: Load, value: str) -> None:
    before = load(
        LOCAL.replace("_type: uniform, _value: [0.0, 1.0]", f"_type: choice, _value: [{value}, z]")
    ).experiment
    after = load(to_v2_yaml(path, {})).experiment
    assert repr(after.search_space) == repr(before.search_space)


def test_a_config_that_is_broken_is_not_converted(path: Path) -> None:
    path.write_text(V1.replace("trialConcurrency: 3", "trialConcurrency: none"))
    with pytest.raises(ConfigInvalid, match="trialConcurrency"):
        to_v2_yaml(path, {"PASSWORD": "x"})


def test_fields_without_effect_are_left_out_so_that_the_result_gives_no_warning(path: Path, load: Load) -> None:
    pointless = "debug: true\nlogLevel: debug\nnniManagerIp: 192.0.2.9\nremoteConfig: {reuse: true}\n"
    path.write_text(V1.replace("TPE\n", "TPE\n  gpuIndices: 0\n") + pointless)
    text = to_v2_yaml(path, {"PASSWORD": "x"})
    assert set(yaml.safe_load(text)["trainingService"]) == {"platform", "machineList"}
    assert load(text, {"PASSWORD": "x"}).warnings == ()


def test_harmless_values_and_our_own_fields_are_kept(path: Path) -> None:
    path.write_text(MINIMAL + "logLevel: info\ntrainingService: {platform: local}\nray: {trialNodeNumber: 2}\n")
    converted = yaml.safe_load(to_v2_yaml(path, {}))
    assert converted["logLevel"] == "info"
    assert converted["ray"] == {"trialNodeNumber": 2}


def test_a_field_without_effect_is_left_out_in_any_spelling(path: Path) -> None:
    path.write_text(MINIMAL + "training_service: {platform: local, reuse_mode: true}\nLOG_LEVEL: debug\n")
    converted = yaml.safe_load(to_v2_yaml(path, {}))
    assert converted["trainingService"] == {"platform": "local"}
    assert "logLevel" not in converted
