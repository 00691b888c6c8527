"""What is said to somebody who types nnictl's commands."""

from __future__ import annotations

import shlex
import subprocess
import sys

import pytest

from ray_remote_nni.cli.nnictl import hint_for


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ("create --config 'my config.yml' --port 8081", "Type: ray-nni run 'my config.yml' --detach"),
        ("create -c=config.yml", "Type: ray-nni run config.yml --detach"),
        ("create", "Type: ray-nni run CONFIG --detach"),
        ("experiment list --all", "Type: ray-nni status"),
        ("experiment show abc", "Type: ray-nni show abc"),
        ("experiment export abc --filename out.csv --type csv", "Type: ray-nni export abc -t csv -f out.csv"),
        ("experiment delete --all", "Type: ray-nni delete EXPERIMENT"),
        ("trial ls", "Type: ray-nni trials"),
        ("trial kill exp -T tr", "Type: ray-nni kill tr --experiment exp"),
        ("log trial --trial_id tr", "Type: ray-nni logs tr"),
        ("webui url", "Type: ray-nni dashboard"),
        ("update searchspace -f new.json", "Type: ray-nni update --search-space new.json"),
        ("update trialnum abc --value 30", "Type: ray-nni update abc --max-trials 30"),
        ("experiment", "ray-nni -h lists"),
        ("algo register --meta m.yml", "codeDirectory and className"),
        ("run --config config.yml", "Type: ray-nni run config.yml"),
        ("stop --all", "stop ends one experiment"),
        ("stop all", "stop ends one experiment"),
        ("run config.yml --port 8080", "There is no web server"),
        ("resume abc -f", "resume shows the experiment until it ends"),
    ],
)
def test_a_command_of_nnictl_is_answered_with_ours(typed: str, words: str) -> None:
    hint = hint_for(shlex.split(typed))
    assert hint is not None
    assert words in hint
    assert hint.endswith(".") != ("Type:" in hint)


@pytest.mark.parametrize(
    "typed",
    [
        "",
        "run config.yml",
        "run --detach",
        "stop abc",
        "export -t csv -f x.csv",
        "update --concurrency 3",
        "update top",
    ],
)
def test_our_own_commands_are_left_alone(typed: str) -> None:
    assert hint_for(shlex.split(typed)) is None


def test_the_hint_is_an_error_of_usage() -> None:
    command = [sys.executable, "-m", "ray_remote_nni", "create", "--config", "config.yml"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "create is a command of nnictl. Type: ray-nni run config.yml --detach\n"
