"""What Ctrl-C says of what there is then, and how to go on."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest
from typed_command import Type, raising

from ray_remote_nni.cli import cluster
from ray_remote_nni.cli import experiment as commands
from ray_remote_nni.cli import start as starting
from ray_remote_nni.cluster.state import ClusterState
from ray_remote_nni.config import LoadedConfig
from ray_remote_nni.experiment.access import ClusterAccess
from ray_remote_nni.experiment.registry import ExperimentEntry
from ray_remote_nni.experiment.run import Report, RunningExperiment
from ray_remote_nni.experiment.upload import Sent


def test_ctrl_c_ends_a_command_with_130(typed: Type, config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster, "change_cluster", raising(KeyboardInterrupt()))
    said = typed("up", str(config))
    assert (said.code, said.err) == (130, "Interrupted.\n")


def sending(sent: int, files: int, *, remembered: bool = False) -> object:
    """Stand for a start that is interrupted when so many bytes and files are sent."""

    async def start_experiment(
        loaded: LoadedConfig, request: object, report: object, warn: object, progress: Callable[[Sent], None]
    ) -> None:
        progress(Sent(sent, 100, files, 2))
        if remembered:
            config, started = str(loaded.path.absolute()), time.time()
            ExperimentEntry("exp12345", None, "/r", "abc123", config, started, "c0de", "job-1").save()
        raise KeyboardInterrupt

    return start_experiment


@pytest.mark.parametrize(
    ("start", "said"),
    [
        (sending(50, 1), "Interrupted; no experiment was started. What was sent is kept for the next time.\n"),
        (sending(100, 2), "Interrupted; no experiment was started.\n"),
        (
            sending(100, 2, remembered=True),
            "Interrupted while experiment exp12345 was being started. Does it run? ray-nni status\n",
        ),
    ],
    ids=["sending", "before the driver", "at the driver's start"],
)
def test_ctrl_c_while_an_experiment_is_started_says_what_there_is_of_it(
    typed: Type, config: Path, monkeypatch: pytest.MonkeyPatch, start: object, said: str
) -> None:
    (config.parent / "t.py").touch()
    monkeypatch.setattr(starting, "start_experiment", start)
    typed_run = typed("run", str(config))
    assert typed_run.code == 130
    assert typed_run.err.endswith(said)


def test_a_second_ctrl_c_says_how_to_stop_the_rest(typed: Type, config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    entry = ExperimentEntry("exp12345", None, "/r", "abc123", "/my configs/c.yml", 0.0, "c0de", "job-1")
    running = RunningExperiment(entry, None, own=True)  # type: ignore[arg-type]
    monkeypatch.setattr(commands, "start", lambda *_: running)
    monkeypatch.setattr(commands, "_attach", raising(KeyboardInterrupt()))
    monkeypatch.setattr(commands, "finish_experiment", raising(KeyboardInterrupt()))
    typed_run = typed("run", str(config))
    assert typed_run.code == 130
    assert typed_run.err.endswith("all was stopped. To stop the rest: ray-nni down '/my configs/c.yml'\n")


def test_ctrl_c_removes_the_bar_before_anything_else_is_said(
    typed: Type, config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed: list[bool] = []

    async def start_experiment(
        loaded: object, request: object, report: Report, warn: object, progress: Callable[[Sent], None]
    ) -> None:
        progress(Sent(50, 100, 1, 2))
        report("gpu1", "stopped")
        raise KeyboardInterrupt

    monkeypatch.setattr(starting.UploadBar, "close", lambda _: closed.append(True))
    monkeypatch.setattr(starting, "start_experiment", start_experiment)
    rows = starting.machine_rows()

    def told(host: str, what: str) -> None:
        assert closed
        rows(host, what)

    monkeypatch.setattr(starting, "machine_rows", lambda: told)
    assert "gpu1              stopped" in typed("run", str(config)).err


def test_ctrl_c_of_a_run_with_a_cluster_of_its_own_says_how_to_go_on(
    typed: Type,
    config: Path,
    known_cluster: ClusterState,
    experiment: ExperimentEntry,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def finish_experiment(*_: object, **__: object) -> None: ...

    running = RunningExperiment(experiment, ClusterAccess(known_cluster, None), own=True)
    monkeypatch.setattr(commands, "start", lambda *_: running)
    monkeypatch.setattr(commands, "attach_to", raising(KeyboardInterrupt()))
    monkeypatch.setattr(commands, "finish_experiment", finish_experiment)
    said = typed("run", str(config))
    assert said.code == 130
    assert f"ray-nni up {experiment.config}, then ray-nni resume exp12345" in said.err
