"""The commands that mean a cluster: one that is up, half down, or not there."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import pytest
from typed_command import Type, raising

from ray_remote_nni.cli import cluster
from ray_remote_nni.cluster.bringup import BroughtUp
from ray_remote_nni.cluster.state import ClusterState
from ray_remote_nni.errors import MachineError
from ray_remote_nni.experiment.run import EndedCluster


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
