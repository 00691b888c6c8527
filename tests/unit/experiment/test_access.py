"""The way from a configuration to the machines that it names."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from ray_remote_nni.cluster.state import ClusterState
from ray_remote_nni.config import ConfigInvalid, load_config
from ray_remote_nni.errors import UsageError
from ray_remote_nni.experiment.access import access_cluster, read_request


def write(folder: Path, machine: dict[str, str], **ray: object) -> Path:
    """Write a configuration with this machine."""
    config = {
        "searchSpace": {"x": {"_type": "uniform", "_value": [0, 1]}},
        "trialCommand": "true",
        "trialConcurrency": 1,
        "maxTrialNumber": 1,
        "tuner": {"name": "TPE"},
        "trainingService": {"platform": "remote", "machineList": [machine]},
        "ray": ray,
    }
    file = folder / "config.yml"
    file.write_text(yaml.safe_dump(config))
    return file


def test_a_login_name_may_be_left_to_ssh_config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".ssh").mkdir(mode=0o700)
    (tmp_path / ".ssh/config").write_text("Host gpu7\n  User alice\n")
    config = write(tmp_path, {"host": "gpu7"})
    [machine] = read_request(config).machines
    assert machine.identity == ("gpu7", None, None)


def test_options_of_a_machine_that_was_taken_from_the_list_stop_an_up_and_not_a_down(tmp_path: Path) -> None:
    config = write(tmp_path, {"host": "gpu7", "user": "alice"}, machines={"gpu8": {"maxTrials": 1}})
    with pytest.raises(ConfigInvalid, match="gpu8: it names no machine"):
        load_config(config)
    [machine] = read_request(config).machines
    assert machine.identity == ("gpu7", None, "alice")


def test_a_configuration_that_was_moved_is_asked_for(tmp_path: Path) -> None:
    state = ClusterState(
        "abc123", str(tmp_path / "config.yml"), "remote", "up", 1.0, "token", "lib", "2.60.0", "gpu7:1", 2, ()
    )
    with pytest.raises(UsageError, match=r"config\.yml is not there any more, .* abc123 .* ray-nni up CONFIG"):
        access_cluster(state, lambda prompt: "")
