"""The main job on real SSH machines: NNI's own config, real training, and nothing left behind."""

from __future__ import annotations

import shutil
from pathlib import Path

import machines as m
import pytest
import yaml
from client import Client

DIGITS = Path(__file__).parents[2] / "configs/digits"


@pytest.fixture
def digits(client: Client, machines: list[m.TestMachine], trial_pythons: list[Path]) -> Path:
    """The digits example, with the three machines and a Python each for its machineList."""
    folder = client.home / "digits"
    shutil.copytree(DIGITS, folder)
    config = yaml.safe_load((folder / "config_remote.yml").read_text())
    pythons = [trial_pythons[0], trial_pythons[1], trial_pythons[0]]
    config["trainingService"]["machineList"] = [
        machine.entry(pythonPath=str(python)) for machine, python in zip(machines, pythons, strict=True)
    ]
    file = folder / "config.yml"
    file.write_text(yaml.safe_dump(config, sort_keys=False))
    return file


def most_at_once(trials: list[dict[str, str]]) -> int:
    """Return how many trials ran at the same moment."""
    events = [(trial["startTime"], 1) for trial in trials] + [(trial["endTime"], -1) for trial in trials]
    running, most = 0, 0
    for _, change in sorted(events):
        running += change
        most = max(most, running)
    return most


def test_real_training_spreads_over_the_machines_and_leaves_nothing_running(
    client: Client, machines: list[m.TestMachine], digits: Path
) -> None:
    before = [machine.processes() for machine in machines]

    client.run("up", digits)
    result = client.json("run")
    trials = client.json("trials")
    again = client.run("up")
    client.run("down")

    assert "nothing to do" in again.stderr
    assert result["status"] == "DONE"
    assert result["trials"] == {"SUCCEEDED": 20}
    assert result["best"]["value"] > 0.95
    assert {trial["status"] for trial in trials} == {"SUCCEEDED"}
    assert len({trial["machine"] for trial in trials}) > 1
    assert most_at_once(trials) <= 4
    assert [machine.processes() for machine in machines] == before
