"""The way from a configuration to the machines that it names."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from ray_remote_nni.experiment.access import read_request


def test_a_login_name_may_be_left_to_ssh_config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".ssh").mkdir(mode=0o700)
    (tmp_path / ".ssh/config").write_text("Host gpu7\n  User alice\n")
    config = tmp_path / "config.yml"
    config.write_text(
        yaml.safe_dump(
            {
                "searchSpace": {"x": {"_type": "uniform", "_value": [0, 1]}},
                "trialCommand": "true",
                "trialConcurrency": 1,
                "maxTrialNumber": 1,
                "tuner": {"name": "TPE"},
                "trainingService": {"platform": "remote", "machineList": [{"host": "gpu7"}]},
            }
        )
    )
    [machine] = read_request(config).machines
    assert machine.identity == ("gpu7", None, None)
