"""By which address machines reach each other, on which ports, and what is said where they do not."""

from __future__ import annotations

import asyncio
import socket
import sys
from dataclasses import replace
from typing import Any

import pytest
from machine_values import facts

from ray_remote_nni.cluster.local import LocalTransport
from ray_remote_nni.cluster.neighbours import Neighbour, find_addresses, survey_neighbours
from ray_remote_nni.cluster.plan import MachineSettings
from ray_remote_nni.cluster.ports import choose_ports, ports_to_open
from ray_remote_nni.cluster.probe import Place, survey
from ray_remote_nni.cluster.reachability import (
    blocked_ways,
    candidate_addresses,
    choose_address,
    firewall_rule,
    with_port,
)
from ray_remote_nni.cluster.remarks import remarks, twins
from ray_remote_nni.cluster.requirements import check_machines
from ray_remote_nni.errors import ClusterError

FREE = tuple(range(20001, 20010))


@pytest.mark.parametrize(
    ("host", "addresses", "arrived", "candidates"),
    [
        ("10.0.0.5", ("192.0.2.1", "10.0.0.5", "127.0.0.1"), "192.0.2.1", ("10.0.0.5", "192.0.2.1")),
        ("127.0.0.1", ("192.0.2.1", "172.17.0.1", "127.0.0.1"), "127.0.0.1", ("192.0.2.1", "172.17.0.1")),
        ("gpu1", ("fd00::1", "fe80::1", "::1"), "fd00::1", ("fd00::1",)),
        ("gpu1", ("192.0.2.1", "::1"), "::ffff:192.0.2.1", ("192.0.2.1",)),
        ("fe80::1%eth0", ("fd00::1", "fe80::1"), "fe80::1%eth0", ("fd00::1",)),
        ("localhost", ("127.0.0.1",), "127.0.0.1", ("127.0.0.1",)),
    ],
)
def test_what_leads_nowhere_for_others_is_no_candidate(
    host: str, addresses: tuple[str, ...], arrived: str, candidates: tuple[str, ...]
) -> None:
    assert candidate_addresses(host, facts(addresses=addresses, ssh_address=arrived)) == candidates


def test_the_address_is_the_first_at_which_all_others_get_through() -> None:
    answers = [
        {"10.8.0.1": "no answer", "172.17.0.1": "another machine answers", "192.0.2.1": ""},
        {"10.8.0.1": "", "172.17.0.1": "connection refused", "192.0.2.1": ""},
    ]
    assert choose_address(["10.8.0.1", "172.17.0.1", "192.0.2.1"], answers) == "192.0.2.1"
    assert choose_address(["10.8.0.1", "172.17.0.1"], [{}, {}]) == "10.8.0.1"


def test_blocked_ways_are_told_by_pair_and_reason() -> None:
    ways = blocked_ways({(0, 1): {("a", 3): "no answer", ("a", 2): "no answer", ("a", 1): ""}, (1, 0): {("b", 1): ""}})
    [way] = ways
    assert (way.source, way.target, way.ports, way.why) == (0, 1, (2, 3), "no answer")


def test_rules_and_ports_of_both_kinds_of_addresses_are_written_as_their_tools_want_them() -> None:
    assert firewall_rule("fd00::1", "20000:31999").startswith("ip6tables -I INPUT -p tcp -s fd00::1 ")
    assert firewall_rule("192.0.2.1", "20000:31999").startswith("iptables ")
    assert (with_port("fd00::1", 80), with_port("192.0.2.1", 80)) == ("[fd00::1]:80", "192.0.2.1:80")


def test_a_fixed_port_is_used_and_given_to_nothing_else() -> None:
    ports = choose_ports(FREE, {"gcs": 6379, "objectManager": 20001, "firstWorker": 30000, "lastWorker": 30099})
    assert (ports.gcs, ports.object_manager, ports.workers) == (6379, 20001, (30000, 30099))
    others = [
        ports.dashboard,
        ports.node_manager,
        ports.agent,
        ports.agent_grpc,
        ports.runtime_env_agent,
        ports.metrics,
    ]
    assert len(set(others)) == 6
    assert set(others) <= set(FREE) - {20001}
    assert ports.for_others(is_head=True)[0] == 6379
    assert ports.for_others(is_head=False)[-2:] == (30000, 30099)
    assert ports.dashboard not in ports.for_others(is_head=True)


def test_without_fixed_ports_a_firewall_must_open_all_that_may_be_chosen() -> None:
    assert ports_to_open({}, 20000, 31999) == "20000:31999,32768:60999"
    fixed = {"gcs": 1, "nodeManager": 2, "objectManager": 3, "dashboardAgent": 4, "dashboardAgentGrpc": 5}
    assert ports_to_open({**fixed, "firstWorker": 10, "lastWorker": 20}, 20000, 31999) == "1,2,3,4,5,10:20"


def test_a_fixed_port_that_is_in_use_is_an_error_unless_our_own_node_has_it() -> None:
    machine = [MachineSettings("h1")]
    strangers, ours = check_machines(machine, [facts(taken_ports={21000: "", 21001: "", 21002: "abc123"})])
    assert "21000, 21001: in use" in strangers.what
    assert "21002: your cluster abc123 has" in ours.what
    assert ours.remedy is not None
    assert "ray-nni down abc123" in ours.remedy
    assert check_machines(machine, [facts(taken_ports={21000: "abc123"}, guard=4711)]) == []


def neighbour(label: str, **changes: Any) -> Neighbour:
    known = facts(python=sys.executable, addresses=("127.0.0.1",), ssh_address="127.0.0.1", **changes)
    return Neighbour(MachineSettings(label), LocalTransport(label), known)


def free_ports(count: int) -> tuple[int, ...]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = tuple(one.getsockname()[1] for one in sockets)
    for one in sockets:
        one.close()
    return ports


def test_machines_that_reach_each_other_get_their_addresses() -> None:
    ports = free_ports(18)
    machines = [neighbour("h1", free_ports=ports[:9]), neighbour("h2", free_ports=ports[9:])]
    assert asyncio.run(find_addresses(machines, None, {})) == ("127.0.0.1", "127.0.0.1")


def test_whoever_answers_in_the_place_of_a_machine_is_not_taken_for_it_and_the_next_address_is_tried() -> None:
    [port, other] = free_ports(2)
    # As with Docker's bridge: the same address everywhere, where each machine meets itself, or a stranger.
    there = facts(python=sys.executable, addresses=("192.0.2.254", "127.0.0.2"), ssh_address="127.0.0.2")
    places = [
        Place("127.0.0.2", LocalTransport("h1"), there, (port,)),
        Place("127.0.0.2", LocalTransport("h2"), there, (other,)),
    ]
    found = asyncio.run(survey(places))
    assert found.addresses == ("127.0.0.2", "127.0.0.2")
    assert all(why == "" for answers in found.attempts.values() for why in answers.values())


def test_the_fixed_port_of_a_node_that_runs_already_counts_as_open() -> None:
    with socket.create_server(("127.0.0.1", 0)) as raylet:
        ports = free_ports(9)
        machines = [neighbour("h1", free_ports=ports), neighbour("h2", free_ports=ports[::-1])]
        fixed = {"nodeManager": raylet.getsockname()[1]}
        _, errors = asyncio.run(survey_neighbours(machines, None, fixed))
    assert errors == []


def test_machines_without_a_common_network_are_told() -> None:
    lonely = facts(python=sys.executable, addresses=("127.255.255.255",), ssh_address="127.255.255.255")
    machines = [
        Neighbour(MachineSettings("127.255.255.255"), LocalTransport("h1"), lonely),
        neighbour("h2", free_ports=free_ports(9)),
    ]
    with pytest.raises(ClusterError, match=r"^127.255.255.255: h2 cannot reach it .*TCP .*iptables -I INPUT"):
        asyncio.run(find_addresses(machines, None, {}))


def test_what_is_odd_about_a_machine_is_told_with_its_remedy() -> None:
    assert remarks(facts()) == []
    [clock] = remarks(facts(clock_skew_s=-601.0))
    assert "10 minutes behind" in clock.what
    assert "set-ntp" in clock.remedy
    [name] = remarks(facts(hostname_resolves=False, hostname="gpu7"))
    assert "gpu7 does not resolve" in name.what
    [few] = remarks(facts(process_room=400, process_limit="ulimit -u is 500"))
    assert "only 400 more processes and threads may be started there (ulimit -u is 500)" in few.what
    assert remarks(facts(process_room=400, process_limit="ulimit -u is 500", guard=4711)) == []
    [room] = remarks(facts(free_bytes=10**9))
    assert "953 MiB are free" in room.what


def test_a_machine_that_is_listed_twice_is_told_and_no_other() -> None:
    machines = [MachineSettings(host) for host in ("gpu1", "gpu2", "10.0.0.1")]
    once = [facts(hostname="gpu1"), facts(hostname="gpu2"), facts(hostname="gpu1", boot_id="4567")]
    assert twins(machines, once) == [[], [], []]
    # Nobody knows of a system that does not tell.
    assert twins(machines, [facts(boot_id="")] * 3) == [[], [], []]
    first, second, [twin] = twins(machines, [facts(gpus=(0, 1)), facts(hostname="gpu2"), facts(gpus=(0, 1))])
    assert (first, second) == ([], [])
    assert twin.what == "it is the same machine as gpu1: its GPUs and CPUs count twice."
    apart = [replace(machines[0], gpu_indices=(0,)), replace(machines[1], gpu_indices=(1,))]
    _, [twin] = twins(apart, [facts(gpus=(0, 1))] * 2)
    assert "CPUs and memory" in twin.what
