"""A Windows machine as a node of a cluster: what is planned for it, who leads, and what it is told to do."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from machine_values import facts

from ray_remote_nni.cluster.facts import MachineFacts
from ray_remote_nni.cluster.local import LocalTransport
from ray_remote_nni.cluster.lost import lost_nodes
from ray_remote_nni.cluster.plan import MachineSettings, NodePlan, choose_head, plan_cluster
from ray_remote_nni.cluster.pythons import RayPython, choose
from ray_remote_nni.cluster.reachability import firewall_rule
from ray_remote_nni.cluster.remarks import remarks
from ray_remote_nni.cluster.request import RequestedMachine
from ray_remote_nni.cluster.requirements import check_machines
from ray_remote_nni.cluster.runtime import read_prospects
from ray_remote_nni.cluster.together import MachinesFailed
from ray_remote_nni.errors import UsageError

LINUX, WINDOWS = MachineSettings("192.0.2.1"), MachineSettings("192.0.2.2", python_path=r"~\conda")
RAY = RayPython((3, 11), "2.60.0")


def windows_facts(**changes: object) -> MachineFacts:
    known = {
        "system": "Windows",
        "system_name": "Windows 10 (build 17763)",
        "architecture": "AMD64",
        "home": "C:/Users/" + "alice" * 20,
        "python": r"C:\conda\python.exe",
        "ssh_address": "192.0.2.2",
        "addresses": ("192.0.2.2",),
    }
    return facts(**{**known, **changes})


def windows_node() -> NodePlan:
    plan = plan_cluster(
        "abc123",
        [LINUX, WINDOWS],
        [facts(), windows_facts()],
        head=0,
        library="ray-nni-lib",
        dependencies=None,
        tls=True,
    )
    return plan.nodes[1]


def test_windows_and_linux_make_a_cluster() -> None:
    assert check_machines([LINUX, WINDOWS], [facts(), windows_facts()]) == []


def test_a_mac_does_not() -> None:
    (error,) = check_machines([LINUX], [facts(system="Darwin")])
    assert "it runs Darwin; nodes need Linux, or Windows where the head has Linux" in str(error)


def test_a_windows_without_ray_is_told_what_to_type_there() -> None:
    (error,) = check_machines([WINDOWS], [windows_facts(distributions={})])
    assert r'C:\conda\python.exe -m pip install "ray[default]>=2.60"' in str(error)


def test_all_of_a_node_lies_in_its_folder_however_long_that_is() -> None:
    node = windows_node()
    assert node.directory == f"{windows_facts().home}/.ray-nni/clusters/abc123/1"
    assert (node.temp_dir, node.guard_socket) == (node.directory, f"{node.directory}/guard.sock")


def test_its_environment_is_one_of_windows() -> None:
    node = windows_node()
    assert node.environment["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] == "1"
    assert node.environment["TEMP"] == node.environment["TMP"] == f"{node.directory}/tmp"
    assert node.environment["RAY_NNI_PYTHON_PATH"] == f"{windows_facts().home}\\conda"
    assert node.environment["PYTHONPATH"] == f"{windows_facts().home}/.ray-nni/lib/ray-nni-lib"


def test_nothing_of_that_is_on_a_linux_node() -> None:
    plan = plan_cluster("abc123", [LINUX], [facts()], head=0, library="l", dependencies="d")
    assert "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER" not in plan.nodes[0].environment
    assert plan.nodes[0].environment["PYTHONPATH"] == "/home/alice/.ray-nni/lib/l:/home/alice/.ray-nni/lib/d"


def test_the_head_is_the_first_machine_that_runs_linux() -> None:
    assert choose_head([WINDOWS, LINUX], None, [windows_facts(), facts()]) == 1


def test_a_windows_head_is_refused() -> None:
    with pytest.raises(UsageError, match="runs Windows, and a head needs Linux"):
        choose_head([LINUX, WINDOWS], WINDOWS.host, [facts(), windows_facts()])


def test_a_cluster_of_windows_alone_is_refused() -> None:
    with pytest.raises(UsageError, match="No machine of the machineList runs Linux"):
        choose_head([WINDOWS], None, [windows_facts()])


@pytest.mark.parametrize("always", [False, True])
def test_its_own_python_with_the_right_ray_is_taken_and_no_runtime_made(always: bool) -> None:
    known = windows_facts()
    has = asyncio.run(read_prospects(LocalTransport(), known, None))
    (choice,) = choose(["w"], [known], [has], preferred=RAY, running=RAY, always=always)
    assert (choice.executable, choice.made_of) == (None, None)


def test_another_ray_than_the_others_have_is_named() -> None:
    known = windows_facts(distributions={"ray": "2.61.0"})
    has = asyncio.run(read_prospects(LocalTransport(), known, None))
    with pytest.raises(MachinesFailed):
        choose(["w"], [known], [has], preferred=RAY, running=RAY, always=False)


def test_its_firewall_has_a_command_of_its_own() -> None:
    rule = firewall_rule("192.0.2.1", "20000:31999", "Windows")
    assert rule.startswith("netsh advfirewall firewall add rule ")
    assert rule.endswith("remoteip=192.0.2.1 localport=20000-31999")


def test_its_owner_is_told_that_it_is_an_experiment() -> None:
    assert any("Ray is in beta" in remark.what for remark in remarks(windows_facts()))
    assert remarks(facts()) == []


def test_a_lost_node_is_found_by_its_mark(home: Path) -> None:
    directory = "C:/Users/alice/.ray-nni/clusters/abc123/1"
    mark = (
        f'{{"owner": "me", "directory": "{directory}", "temp_dir": "{directory}", "python": "C:\\\\p\\\\python.exe"}}'
    )
    (node,) = lost_nodes(f"\r\n{mark}\r\n", "me", RequestedMachine(WINDOWS, None))
    assert (node.home, node.python) == ("C:/Users/alice", r"C:\p\python.exe")
    assert node.directory == directory
