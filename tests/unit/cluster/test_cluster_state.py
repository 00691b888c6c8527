"""What the client remembers of its clusters."""

from __future__ import annotations

import os
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from machine_values import cluster_state, machine_state

from ray_remote_nni.cluster.certificates import Certificate
from ray_remote_nni.cluster.state import ForwardState, all_states, load_state, state_file
from ray_remote_nni.errors import ClusterError
from ray_remote_nni.guard.processes import read_process


def test_a_state_is_read_as_it_was_written(home: Path) -> None:
    state = cluster_state(
        machines=(machine_state(gpus=(0, 2)), machine_state("192.0.2.2", port=10022, index=1)),
        authority=Certificate("a certificate", "a key"),
    )
    state = replace(state, forward=ForwardState(port=8265, pid=1, start_ticks=2))
    state.save()
    assert load_state("abc123") == state


def test_a_state_file_can_be_read_by_its_owner_only(home: Path) -> None:
    before = os.umask(0)
    try:
        cluster_state().save()
    finally:
        os.umask(before)
    assert state_file("abc123").stat().st_mode & 0o777 == 0o600
    assert (home / ".ray-nni").stat().st_mode & 0o777 == 0o700


def test_a_folder_that_others_could_read_is_closed_to_them(home: Path) -> None:
    (home / ".ray-nni").mkdir(mode=0o755)
    cluster_state().save()
    assert (home / ".ray-nni").stat().st_mode & 0o777 == 0o700


def test_a_second_save_replaces_the_first_and_leaves_nothing_else(home: Path) -> None:
    cluster_state(status="starting").save()
    cluster_state(status="up").save()
    assert [file.name for file in state_file("abc123").parent.iterdir()] == ["abc123.json"]
    loaded = load_state("abc123")
    assert loaded is not None
    assert loaded.status == "up"


def test_a_cluster_that_is_not_there_has_no_state(home: Path) -> None:
    assert load_state("abc123") is None


def test_a_forgotten_cluster_is_gone_and_may_be_forgotten_twice(home: Path) -> None:
    cluster_state().save()
    cluster_state().forget()
    cluster_state().forget()
    assert all_states() == []


def test_clusters_are_listed_the_latest_first(home: Path) -> None:
    for name, created in (("old", 1.0), ("new", 3.0), ("middle", 2.0)):
        cluster_state(name=name, created=created).save()
    assert [state.name for state in all_states()] == ["new", "middle", "old"]


def test_the_dashboard_is_where_the_forward_is(home: Path) -> None:
    forward = ForwardState(port=8265, pid=1, start_ticks=2)
    assert cluster_state(forward=forward).dashboard_url == "http://127.0.0.1:8265"
    assert cluster_state(forward=None).dashboard_url == "http://127.0.0.1:20002"


def test_a_forward_is_alive_while_its_very_process_is() -> None:
    process = subprocess.Popen(["sleep", "60"])
    known = read_process(process.pid)
    assert known is not None
    forward = ForwardState(port=1, pid=process.pid, start_ticks=known.start_ticks)
    assert forward.alive()
    assert not replace(forward, start_ticks=known.start_ticks - 1).alive()
    process.kill()
    process.wait()
    assert not forward.alive()


@pytest.mark.parametrize("text", ["", "{", "[]", '{"name": "abc123"}'])
def test_a_damaged_state_file_is_named(home: Path, text: str) -> None:
    state_file("abc123").write_text(text)
    with pytest.raises(ClusterError, match=r"abc123\.json is damaged"):
        all_states()
