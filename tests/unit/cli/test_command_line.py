"""How commands end: exit codes, messages on standard error, and no traceback."""

from __future__ import annotations

from pathlib import Path

import pytest
from typed_command import Type, raising

import ray_remote_nni
from ray_remote_nni.cli import change, cluster, configuration
from ray_remote_nni.cli import experiment as commands
from ray_remote_nni.cluster.state import ClusterState
from ray_remote_nni.errors import ClusterError, MachineError
from ray_remote_nni.experiment.registry import ExperimentEntry
from ray_remote_nni.experiment.run import NothingLeft


def test_the_version_is_told(typed: Type) -> None:
    said = typed("--version")
    assert (said.code, said.out) == (0, f"{ray_remote_nni.__version__}\n")


def test_every_command_has_a_line_of_help(typed: Type) -> None:
    said = typed("--help")
    assert said.code == 0
    for command in (
        "up",
        "run",
        "down",
        "check",
        "status",
        "attach",
        "stop",
        "resume",
        "show",
        "trials",
        "logs",
        "export",
    ):
        assert command in said.out


@pytest.mark.parametrize("arguments", [("no-such-command",), ("show", "--no-such-option"), ("logs",), ("check",)])
def test_a_command_typed_wrong_is_usage(typed: Type, arguments: tuple[str, ...]) -> None:
    said = typed(*arguments)
    assert (said.code, said.out) == (2, "")
    assert "Usage" in said.err


@pytest.mark.parametrize(
    ("error", "code"), [(MachineError("gpu1", "it is off."), 3), (ClusterError("the cluster is off."), 3)]
)
def test_an_error_ends_a_command_with_its_exit_code_and_its_message_alone(
    typed: Type, config: Path, monkeypatch: pytest.MonkeyPatch, error: Exception, code: int
) -> None:
    monkeypatch.setattr(cluster, "change_cluster", raising(error))
    said = typed("up", str(config))
    assert said.code == code
    assert str(error) in said.err
    assert "Traceback" not in said.err
    assert said.out == ""


def test_square_brackets_in_a_message_are_shown_as_they_are(
    typed: Type, config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cluster, "change_cluster", raising(MachineError("gpu1", "install 'ray[default]>=2.60'.")))
    assert "install 'ray[default]>=2.60'." in typed("up", str(config)).err


def test_debug_shows_the_traceback(config: Path, monkeypatch: pytest.MonkeyPatch, typed: Type) -> None:
    monkeypatch.setattr(cluster, "change_cluster", raising(MachineError("gpu1", "it is off.")))
    with pytest.raises(MachineError):
        typed("--debug", "up", str(config))


def test_a_mistake_of_ours_is_told_as_one(typed: Type, config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(configuration, "load_config", raising(ZeroDivisionError("division by zero")))
    said = typed("check", str(config))
    assert said.code == 1
    assert "mistake in ray-nni" in said.err
    assert "Traceback" not in said.err


def test_a_home_that_nothing_can_be_written_to_is_no_mistake_of_ours(
    typed: Type, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (home / "file").touch()
    monkeypatch.setenv("HOME", str(home / "file"))
    said = typed("status")
    assert said.code == 2
    assert f"{home}/file/.ray-nni: Not a directory. " in said.err
    assert "set HOME to another folder" in said.err
    assert "mistake" not in said.err


def test_resuming_what_has_nothing_left_says_so_and_does_not_say_that_it_runs(
    typed: Type, known_cluster: ClusterState, experiment: ExperimentEntry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(commands, "resume_experiment", raising(NothingLeft("exp12345", 3)))
    said = typed("resume", "--detach")
    assert said.code == 0
    assert "ray-nni update exp12345 --max-trials N" in said.err
    assert "runs" not in said.err


@pytest.mark.parametrize(("most", "said"), [("2", True), ("3", True), ("4", False)])
def test_a_limit_that_is_reached_already_is_said(
    typed: Type,
    known_cluster: ClusterState,
    experiment: ExperimentEntry,
    monkeypatch: pytest.MonkeyPatch,
    most: str,
    said: bool,
) -> None:
    monkeypatch.setattr(change, "_request", lambda *_: (True, []))
    typed_update = typed("update", "--max-trials", most)
    assert ("3 trials have ended already" in typed_update.err) is said
