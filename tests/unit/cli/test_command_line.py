"""How commands end: exit codes, messages on standard error, and no traceback."""

from __future__ import annotations

import io
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from typed_command import Type

import ray_remote_nni
from ray_remote_nni.cli import change, cluster, configuration
from ray_remote_nni.cli import experiment as commands
from ray_remote_nni.cli import start as starting
from ray_remote_nni.cluster.bringup import BroughtUp
from ray_remote_nni.cluster.state import ClusterState, MachineState
from ray_remote_nni.config import LoadedConfig
from ray_remote_nni.errors import ClusterError, MachineError
from ray_remote_nni.experiment.access import ClusterAccess
from ray_remote_nni.experiment.registry import ExperimentEntry
from ray_remote_nni.experiment.run import EndedCluster, NothingLeft, Report, RunningExperiment
from ray_remote_nni.experiment.upload import Sent


def raising(error: BaseException) -> object:
    def fail(*_: object, **__: object) -> None:
        raise error

    return fail


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


# check


def test_a_good_configuration_is_valid(typed: Type, config: Path) -> None:
    said = typed("check", str(config))
    assert said.code == 0
    assert "config.yml is valid" in said.err


def test_a_good_configuration_is_shown_with_all_that_it_will_do(typed: Type, config: Path) -> None:
    said = typed("check", str(config))
    for part in ("this machine", "python3 t.py", "uniform", "low 0, high 1", "Tuner: TPE", "linear_forgetting"):
        assert part in said.out
    assert "there is no t.py" in said.err


def test_as_json_it_is_there_as_a_v2_config(typed: Type, config: Path) -> None:
    document = typed("check", "--json", str(config)).json
    assert document["config"]["trialCommand"] == "python3 t.py"
    assert [problem["field"] for problem in document["problems"]] == ["trialCommand"]


def test_a_password_to_ask_for_without_a_terminal_is_said_and_bad_usage(
    typed: Type, config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_terminal(prompt: str) -> str:
        raise EOFError

    monkeypatch.setattr("getpass.getpass", no_terminal)
    machines = "{platform: remote, machineList: [{host: h, user: nobody, password: ask}]}"
    config.write_text(config.read_text().replace("{platform: local}", machines))
    said = typed("up", str(config))
    assert said.code == 2
    assert "Password of nobody@h: it is to be asked for, and there is no terminal" in said.err


def test_a_bad_configuration_is_told_with_every_problem(typed: Type, config: Path) -> None:
    config.write_text(config.read_text().replace("trialCommand", "trialComand").replace("uniform", "unifrom"))
    said = typed("check", str(config))
    assert said.code == 2
    assert "trialComand" in said.err
    assert "unifrom" in said.err


def test_problems_are_one_json_document_on_stdout(typed: Type, config: Path) -> None:
    config.write_text(config.read_text().replace("trialCommand", "trialComand"))
    said = typed("check", "--json", str(config))
    assert said.code == 2
    assert said.json["valid"] is False
    (problem, *_) = said.json["problems"]
    assert set(problem) == {"file", "line", "column", "field", "level", "message", "remedy"}
    assert said.err == ""


def test_a_configuration_that_is_not_there_is_bad(typed: Type) -> None:
    said = typed("check", "no-such-file.yml")
    assert said.code == 2
    assert "no-such-file.yml" in said.err


@pytest.mark.parametrize("command", ["up", "run"])
def test_a_bad_configuration_stops_a_command_before_it_touches_a_machine(
    typed: Type, config: Path, command: str, home: Path
) -> None:
    config.write_text("trialConcurrency: 0\n")
    assert typed(command, str(config)).code == 2
    assert not (home / ".ray-nni").exists()


def test_the_schema_is_json(typed: Type) -> None:
    assert "properties" in typed("schema").json


# Without a cluster


@pytest.mark.parametrize("command", ["up", "run", "down", "dashboard"])
def test_without_a_cluster_a_command_that_means_it_says_so(typed: Type, command: str) -> None:
    said = typed(command)
    assert (said.code, said.out) == (4, "")
    assert "No cluster is up" in said.err


def test_taking_down_a_cluster_by_a_name_that_none_has_is_not_found(typed: Type) -> None:
    said = typed("down", "abc123")
    assert said.code == 4
    assert "no cluster abc123" in said.err


def test_taking_down_what_is_not_up_is_not_found(typed: Type, config: Path) -> None:
    assert typed("down", str(config)).code == 4


def test_the_status_of_nothing_is_empty_lists(typed: Type) -> None:
    assert typed("status", "--json").json == {"clusters": [], "experiments": []}


# A cluster that is up, or half down


@pytest.fixture
def known_cluster(home: Path) -> ClusterState:
    """A cluster of this machine, whose node does not run."""
    machine = MachineState(
        "localhost", None, None, 0, "127.0.0.1", str(home), "/usr/bin/python3", str(home / "n"), str(home / "n"), ()
    )
    state = ClusterState(
        "abc123", str(home / "c.yml"), "local", "up", 1.0, "s3cret", "lib", "2.60.0", "127.0.0.1:1", 8265, (machine,)
    )
    state.save()
    return state


def test_the_status_tells_of_every_machine(typed: Type, known_cluster: ClusterState) -> None:
    (cluster,) = typed("status", "--json").json["clusters"]
    assert (cluster["name"], cluster["status"], cluster["head"]) == ("abc123", "up", "localhost")
    assert cluster["machines"] == [{"host": "localhost", "port": None, "status": "down", "runningTrials": 0}]


def test_the_status_names_the_configuration_of_each_cluster(typed: Type, known_cluster: ClusterState) -> None:
    (cluster,) = typed("status", "--json").json["clusters"]
    assert cluster["config"] == known_cluster.config
    assert known_cluster.config in typed("status").out


def test_the_status_says_why_it_knows_nothing_of_the_machines(
    typed: Type, known_cluster: ClusterState, config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    remote = "{platform: remote, machineList: [{host: gpu1, user: alice, password: ask}]}"
    config.write_text(config.read_text().replace("{platform: local}", remote))
    replace(known_cluster, platform="remote", config=str(config)).save()
    monkeypatch.setattr("sys.stdin", io.StringIO())
    monkeypatch.setattr("getpass.getpass", raising(EOFError()))
    said = typed("status", "--json")
    assert [machine["status"] for machine in said.json["clusters"][0]["machines"]] == ["unknown"]
    assert said.err.startswith("The machines of cluster abc123 could not be asked: Password of alice@gpu1: ")
    assert "no terminal to ask at" in said.err


def test_the_dashboards_address_and_its_token_are_told_apart(typed: Type, known_cluster: ClusterState) -> None:
    said = typed("dashboard")
    assert said.out == "http://127.0.0.1:8265\n"
    assert "s3cret" not in said.out + said.err
    assert typed("dashboard", "--token").out == "s3cret\n"


def test_no_token_is_in_the_status(typed: Type, known_cluster: ClusterState) -> None:
    said = [typed("status"), typed("status", "--json")]
    assert all("s3cret" not in one.out + one.err for one in said)


def test_a_forced_down_names_the_machine_where_something_may_still_run(
    typed: Type, known_cluster: ClusterState, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def end_cluster(*_: object, **__: object) -> EndedCluster:
        return EndedCluster((), (MachineError("gpu2", "it is off."),))

    monkeypatch.setattr(cluster, "end_cluster", end_cluster)
    said = typed("down", "--force")
    assert "Cluster abc123 is down." in said.err
    assert f"on gpu2 may still run there. Once that is mended: ray-nni down {known_cluster.config} --force" in said.err


def test_an_up_that_goes_without_a_machine_does_not_say_that_there_is_nothing_to_do(
    typed: Type, config: Path, known_cluster: ClusterState, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def change_cluster(*_: object, **__: object) -> BroughtUp:
        return BroughtUp(known_cluster, (), without=("gpu2",))

    monkeypatch.setattr(cluster, "change_cluster", change_cluster)
    said = typed("up", str(config), "--allow-partial")
    assert "It goes without gpu2. Once that is mended: ray-nni up" in said.err
    assert "nothing to do" not in said.err


# An experiment that has had its trials


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
