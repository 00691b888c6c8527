"""Which cluster is a configuration's, and what becomes of its nodes when the configuration changes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from machine_values import cluster_state, machine_state

from ray_remote_nni.cluster.leaving import way_to
from ray_remote_nni.cluster.login import Login
from ray_remote_nni.cluster.membership import check_head, check_unchanged, find_cluster, members_of
from ray_remote_nni.cluster.plan import MachineSettings
from ray_remote_nni.cluster.request import ClusterRequest, RequestedMachine
from ray_remote_nni.cluster.state import MissingMachine
from ray_remote_nni.errors import MachineError, UsageError

CONFIG = "/home/alice/config.yml"
A, B, C = "192.0.2.1", "192.0.2.2", "192.0.2.3"


def a_request(*hosts: str, config: str = CONFIG) -> ClusterRequest:
    machines = tuple(RequestedMachine(MachineSettings(host), Login(host, user="alice")) for host in hosts)
    return ClusterRequest(Path(config), "remote", machines, None)


#: A cluster of two machines, with A as its head.
STATE = cluster_state(config=CONFIG, machines=(machine_state(A), machine_state(B, index=1)))


def test_a_cluster_stays_its_configurations_when_the_machine_list_changes(home: Path) -> None:
    STATE.save()
    assert find_cluster(a_request(A, C)) == STATE
    assert find_cluster(a_request(A, C, config="/other.yml")) is None


def test_another_configuration_of_just_the_same_machines_gets_the_cluster_too(home: Path) -> None:
    (home / "config.yml").touch()
    state = replace(STATE, config=str(home / "config.yml"))
    state.save()
    assert find_cluster(a_request(B, A, config="/other.yml")) == state


def test_a_cluster_goes_with_its_configuration_to_where_that_was_moved(home: Path) -> None:
    replace(STATE, config=str(home / "gone.yml")).save()
    found = find_cluster(a_request(B, A, config="/moved.yml"))
    assert found == replace(STATE, config="/moved.yml")
    assert find_cluster(a_request(A, C, config="/moved.yml")) is None


def test_of_two_clusters_a_configuration_has_its_own(home: Path) -> None:
    STATE.save()
    replace(STATE, name="other", config="/other.yml", created=STATE.created + 1).save()
    assert find_cluster(a_request(A, B)) == STATE


def test_a_node_keeps_its_number_whatever_its_machines_place_in_the_list() -> None:
    members = members_of(a_request(C, B, A), STATE)
    assert members.indices == (2, 1, 0)
    assert members.leaving == ()


def test_a_number_is_never_given_twice() -> None:
    without = members_of(a_request(A), STATE)
    assert [node.host for node in without.leaving] == [B]
    later = replace(STATE, machines=STATE.machines[:1], next_index=without.next_index)
    assert members_of(a_request(A, B), later).indices == (0, 2)


def test_a_machine_that_failed_at_first_has_its_number_already() -> None:
    missing = (MissingMachine(C, None, "alice", 2),)
    assert members_of(a_request(C, A, B), replace(STATE, missing=missing)).indices == (2, 0, 1)


def test_the_head_cannot_be_taken_away_and_the_error_says_what_to_type() -> None:
    request = a_request(B)
    with pytest.raises(UsageError, match=r"192\.0\.2\.1 is the head .* ray-nni down, then ray-nni up"):
        check_head(request, STATE, members_of(request, STATE))


def test_other_fixed_ports_want_a_new_cluster() -> None:
    check_unchanged(replace(STATE, ports={"gcs": 6379}), replace(a_request(A, B), ports={"gcs": 6379}))
    with pytest.raises(UsageError, match="other ports"):
        check_unchanged(STATE, replace(a_request(A, B), ports={"gcs": 6379}))


def test_a_machine_that_is_not_named_any_more_is_reached_by_the_key_that_opened_it() -> None:
    login = way_to(machine_state(B, key_file="/home/alice/.ssh/id"), a_request(A), CONFIG).login
    assert login == Login(B, user="alice", key_file=Path("/home/alice/.ssh/id"))


def test_where_a_password_opened_it_the_error_says_how_to_leave_it_out() -> None:
    with pytest.raises(MachineError, match="enabled: false"):
        way_to(machine_state(B, by_password=True), a_request(A), CONFIG)


def test_a_machine_that_is_not_enabled_is_reached_as_the_configuration_says() -> None:
    disabled = RequestedMachine(MachineSettings(B), Login(B, user="alice", password="secret"))
    request = replace(a_request(A), disabled=(disabled,))
    assert way_to(machine_state(B, by_password=True), request, CONFIG) is disabled
