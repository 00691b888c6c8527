"""What others may see of a config."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from config_texts import LOCAL, MINIMAL, Experiment, Load

from ray_remote_nni.config.public import duration_text

SECRETS = """\
trainingService:
  platform: remote
  machineList:
    - {host: a, user: u, password: hunter2}
    - {host: b, user: u, sshKeyFile: ~/.ssh/id_rsa, sshPassphrase: hunter2}
sharedStorage: {storageType: AzureBlob, storageAccountKey: hunter2}
maxTrialDuration: 90m
ray:
  trialEnvironment: {WANDB_API_KEY: hunter2, MODE: '${MODE}', THREADS: 1}
"""


def test_secrets_are_in_neither_the_public_form_nor_the_repr(experiment: Experiment) -> None:
    config = experiment(MINIMAL + SECRETS, {"MODE": "hunter2"})
    assert config.ray.trial_environment == {"WANDB_API_KEY": "hunter2", "MODE": "hunter2", "THREADS": "1"}
    public = config.public_dict()
    assert "hunter2" not in json.dumps(public)
    assert public["trainingService"]["machineList"][0]["password"] == "ask"
    assert public["trainingService"]["machineList"][1]["sshPassphrase"] == "ask"
    assert public["ray"]["trialEnvironment"] == {"WANDB_API_KEY": "***", "MODE": "***", "THREADS": "1"}


def test_the_public_form_is_a_v2_config_that_means_the_same(experiment: Experiment, load: Load, tmp_path: Path) -> None:
    (tmp_path / "code").mkdir()
    (tmp_path / "space.json").write_text('{"a": {"_type": "choice", "_value": [1, 2]}}')
    text = "searchSpaceFile: space.json\n" + LOCAL.split("\n", 2)[2]
    config = experiment(
        text + "trialCodeDirectory: code\nmaxTrialDuration: 90m\ndebug: true\nray: {trialMemory: 1kb}\n"
    )
    public = config.public_dict()
    again = load(yaml.safe_dump(public)).experiment
    assert again == config.model_copy(update={"search_space_file": None})
    assert (public["maxTrialDuration"], public["ray"]["trialMemory"]) == ("90m", 1024)
    assert json.loads(json.dumps(public)) == public


@pytest.mark.parametrize(("seconds", "text"), [(1, "1s"), (60, "1m"), (5400, "90m"), (7200, "2h"), (172800, "2d")])
def test_durations_are_written_in_the_largest_unit_that_fits(seconds: float, text: str) -> None:
    assert duration_text(seconds) == text
