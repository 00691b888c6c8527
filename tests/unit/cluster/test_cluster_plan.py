"""The plan of a cluster: what keeps machines from being one, and what each node is started with."""

from __future__ import annotations

import itertools
import json
import pickle
import shlex
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from machine_values import facts

from ray_remote_nni.cluster.facts import MachineFacts
from ray_remote_nni.cluster.plan import (
    ClusterPlan,
    MachineSettings,
    NodePlan,
    choose_head,
    node_address,
    plan_cluster,
)
from ray_remote_nni.cluster.ports import FIRST_PORT, LAST_PORT, PORTS_PER_NODE, port_range
from ray_remote_nni.cluster.requirements import check_machines
from ray_remote_nni.cluster.resources import gpus_of
from ray_remote_nni.errors import UsageError

M1, M2, M3 = (MachineSettings(f"192.0.2.{number}") for number in (1, 2, 3))


def problems(settings: MachineSettings, known: MachineFacts) -> str:
    return "\n".join(map(str, check_machines([settings], [known])))


def plan(*machines: tuple[MachineSettings, MachineFacts], **changes: Any) -> ClusterPlan:
    arguments = {"head": 0, "library": "ray-nni-lib", "dependencies": None, **changes}
    return plan_cluster("abc123", [m for m, _ in machines], [f for _, f in machines], **arguments)


def two_machines() -> list[tuple[MachineSettings, MachineFacts]]:
    second = facts(ssh_address="192.0.2.2", addresses=("192.0.2.2",), free_ports=tuple(range(26001, 26010)))
    return [(M1, facts()), (M2, second)]


def option(node: NodePlan, name: str) -> str:
    (value,) = [argument.split("=", 1)[1] for argument in node.ray_arguments if argument.startswith(f"--{name}=")]
    return value


# What keeps machines from being one cluster


def test_a_good_machine_has_no_problem() -> None:
    assert check_machines([M1], [facts()]) == []


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"system": "Darwin"}, "it runs Darwin"),
        ({"python_version": (3, 9, 18)}, "its Python (/usr/bin/python3) is 3.9.18. Set `pythonPath`"),
        ({"python_version": (3, 14, 0)}, "its Python (/usr/bin/python3) is 3.14.0. Set `pythonPath`"),
        ({"distributions": {}}, "there is no Ray in its Python 3.11.2"),
        ({"distributions": {"ray": "2.9.3"}}, "its Ray is 2.9.3, 2.60 is needed"),
        ({"ray_has_dashboard": False}, "its Ray came without the dashboard"),
        ({"write_problem": "Read-only file system"}, "its home /home/alice cannot be written to"),
        (
            {"free_bytes": 50 * 1024**2},
            "only 50 MiB are free in /home/alice. Free at least 300 MiB, or make /home/alice",
        ),
        (
            {"free_files": 51, "place": "/data"},
            "only 51 more files fit onto the disk of /data (df -i). Remove some there, or make /home/alice/",
        ),
        (
            {"lock_problem": "No locks available", "place": "/data"},
            "files in /data cannot be locked (No locks available), as records must be. Make /home/alice/.ray-nni",
        ),
        ({"place": "/data", "write_problem": "No space left on device"}, "/data cannot be written to: No space left"),
        (
            {"root_problem": "it is a file"},
            "its /home/alice/.ray-nni cannot be used: it is a file. There: mv ~/.ray-nni ",
        ),
        (
            {"home": "/home/somebody", "tmp_problem": "Permission denied"},
            "its /tmp cannot be written to (Permission denied)",
        ),
        (
            {"process_room": 40, "process_limit": "ulimit -u is 50"},
            "only 40 more processes and threads may be started there (ulimit -u is 50), and a node needs 70",
        ),
        ({"free_ports": (20001, 20002)}, "no 9 TCP ports are free"),
    ],
)
def test_a_machine_that_cannot_be_a_node_is_told_why(changes: dict[str, Any], said: str) -> None:
    assert f"192.0.2.1: {said}" in problems(M1, facts(**changes))


def test_a_machine_with_a_short_home_needs_no_tmp() -> None:
    assert problems(M1, facts(home="/root", tmp_problem="Permission denied")) == ""


@pytest.mark.parametrize("version", ["2.60.0", "2.61.1", "3.0.0.dev0", "2.100.0"])
def test_a_ray_that_is_new_enough_is_accepted(version: str) -> None:
    assert problems(M1, facts(distributions={"ray": version})) == ""


@pytest.mark.parametrize("minor", [10, 11, 12, 13])
def test_every_supported_python_is_accepted(minor: int) -> None:
    assert problems(M1, facts(python_version=(3, minor, 1))) == ""


def test_a_wrong_python_is_told_as_the_configuration_names_it() -> None:
    assert "`pythonPath: ~/old/bin`" in problems(replace(M1, python_path="~/old/bin"), facts(python_version=(3, 8, 1)))


def test_the_remedy_for_a_missing_ray_installs_it_in_that_very_python() -> None:
    said = problems(M1, facts(distributions={}, python="/opt/conda/bin/python3"))
    assert "/opt/conda/bin/python3 -m pip install 'ray[default]>=2.60'" in said


def test_a_gpu_that_is_not_there_is_named_beside_those_that_are() -> None:
    said = problems(replace(M1, gpu_indices=(1, 7)), facts(gpus=(0, 1, 2)))
    assert "`gpuIndices` names GPU 7, and the machine has the GPUs 0, 1, 2" in said


def test_gpus_wanted_of_a_machine_without_any_are_told() -> None:
    assert "has no GPU that nvidia-smi lists" in problems(replace(M1, gpu_indices=(0,)), facts())


def test_all_problems_of_all_machines_come_at_once() -> None:
    errors = check_machines([M1, M2], [facts(write_problem="x", distributions={}), facts(system="Darwin")])
    assert sorted(error.machine for error in errors) == ["192.0.2.1", "192.0.2.1", "192.0.2.2"]


def test_machines_may_differ_in_the_patch_version_of_python() -> None:
    assert check_machines([M1, M2], [facts(), facts(python_version=(3, 11, 9))]) == []


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"python_version": (3, 12, 1)}, "it has Python 3.12 (/usr/bin/python3), and 192.0.2.1 has 3.11"),
        ({"distributions": {"ray": "2.60.1"}}, "it has Ray 2.60.1 (/usr/bin/python3), and 192.0.2.1 has 2.60.0"),
    ],
)
def test_machines_that_disagree_are_told_who_with_whom(changes: dict[str, Any], said: str) -> None:
    (error,) = check_machines([M1, M2, M3], [facts(), facts(**changes), facts()])
    assert error.machine == "192.0.2.2"
    assert said in str(error)


def test_agreement_is_asked_for_only_when_every_machine_is_good_by_itself() -> None:
    errors = check_machines([M1, M2], [facts(distributions={}), facts(python_version=(3, 12, 1))])
    assert [error.machine for error in errors] == ["192.0.2.1"]


# Who is who, and where


def test_the_head_is_the_first_machine() -> None:
    assert choose_head([M1, M2], None) == 0


def test_the_configuration_names_another_head() -> None:
    assert choose_head([M1, M2], "192.0.2.2") == 1
    assert choose_head([MachineSettings("gpu1"), MachineSettings("Gpu2")], "GPU2") == 1


def test_a_head_that_is_no_machine_is_told_with_those_that_are() -> None:
    with pytest.raises(UsageError, match=r"192\.0\.2\.9 is not a host of the machineList \(192\.0\.2\.1, 192\.0"):
        choose_head([M1, M2], "192.0.2.9")


def test_the_head_among_machines_of_one_host_is_named_by_its_port() -> None:
    behind_ports = [MachineSettings("gate", port=port) for port in (10022, 10023)]
    assert choose_head(behind_ports, "Gate:10023") == 1
    assert choose_head(behind_ports, "gate") == 0


@pytest.mark.parametrize(
    ("host", "changes", "address"),
    [
        # The configuration's, where it is the machine's own,
        ("10.0.0.5", {"addresses": ("192.0.2.1", "10.0.0.5"), "ssh_address": "192.0.2.1"}, "10.0.0.5"),
        # also on a loopback of many, as in tests without root;
        ("127.0.0.2", {"addresses": ("192.0.2.1", "127.0.0.2"), "ssh_address": "127.0.0.2"}, "127.0.0.2"),
        # where SSH arrived, for a name or behind NAT;
        ("gpu1", {"addresses": ("192.0.2.1",), "ssh_address": "192.0.2.1"}, "192.0.2.1"),
        ("203.0.113.7", {"addresses": ("10.0.0.5",), "ssh_address": "10.0.0.5"}, "10.0.0.5"),
        # not the loopback where a forwarded port arrived;
        ("localhost", {"addresses": ("192.0.2.1", "127.0.0.1"), "ssh_address": "127.0.0.1"}, "192.0.2.1"),
        ("localhost", {"addresses": (), "ssh_address": "127.0.0.1"}, "127.0.0.1"),
        # and loopback for this machine itself.
        ("localhost", {"addresses": ("192.0.2.1",), "ssh_address": ""}, "127.0.0.1"),
    ],
)
def test_a_node_has_the_address_at_which_the_others_reach_it(host: str, changes: dict[str, Any], address: str) -> None:
    assert node_address(MachineSettings(host), facts(**changes)) == address


@given(st.integers(1, 1000))
def test_no_two_nodes_choose_from_the_same_ports(count: int) -> None:
    ranges = [port_range(index, count) for index in range(count)]
    assert all(last - first + 1 >= PORTS_PER_NODE for first, last in ranges)
    assert ranges[0][0] == FIRST_PORT
    assert ranges[-1][1] <= LAST_PORT
    assert all(before[1] < after[0] for before, after in itertools.pairwise(ranges))


# What each node is started with


def test_the_head_comes_first_whatever_its_place_in_the_list() -> None:
    made = plan(*two_machines(), head=1)
    assert [node.index for node in made.nodes] == [1, 0]
    assert "--head" in made.nodes[0].ray_arguments


def test_workers_are_told_where_the_head_listens() -> None:
    made = plan(*two_machines())
    head, worker = made.nodes
    assert made.gcs_address == f"192.0.2.1:{option(head, 'port')}"
    assert option(worker, "address") == made.gcs_address


def test_a_head_that_runs_already_keeps_its_address() -> None:
    made = plan(*two_machines(), gcs_address="192.0.2.1:31000")
    assert option(made.nodes[1], "address") == "192.0.2.1:31000"


def test_the_dashboard_listens_on_loopback_only() -> None:
    made = plan((M1, facts()))
    assert option(made.nodes[0], "dashboard-host") == "127.0.0.1"
    assert option(made.nodes[0], "dashboard-port") == str(made.dashboard_port)


def test_no_two_services_of_a_node_get_the_same_port_and_all_were_free() -> None:
    known = facts()
    head = plan((M1, known)).nodes[0]
    ports = [
        int(argument.split("=")[1])
        for argument in head.ray_arguments
        if "port=" in argument and not argument.endswith("worker-port=0")
    ]
    assert len(ports) == len(set(ports)) >= 8
    assert set(ports) <= set(known.free_ports)


def test_a_node_lives_in_its_own_folder_of_the_cluster() -> None:
    made = plan(*two_machines())
    assert [node.directory for node in made.nodes] == [f"/home/alice/.ray-nni/clusters/abc123/{n}" for n in (0, 1)]


def test_rays_temporary_files_lie_in_the_nodes_folder() -> None:
    node = plan((M1, facts())).nodes[0]
    assert node.temp_dir == node.directory == option(node, "temp-dir")


@given(st.integers(1, 300))
def test_no_path_of_a_socket_is_too_long_however_long_the_home_is(length: int) -> None:
    home = "/" + "h" * length
    node = plan((M1, facts(home=home))).nodes[0]
    assert len(option(node, "temp-dir")) + 62 < 107
    assert len(node.guard_socket) < 107
    assert len(f"{node.environment['TMPDIR']}/pymp-xxxxxxxx/listener-xxxxxxxx") <= 107
    assert node.directory.startswith(f"{home}/.ray-nni/")


@pytest.mark.parametrize("known", [facts(home="/" + "h" * 90), facts(takes_sockets=False)])
def test_outside_the_home_rays_temporary_folder_which_it_opens_to_all_lies_in_one_of_our_own(
    known: MachineFacts,
) -> None:
    node = plan((M1, known)).nodes[0]
    assert node.temp_dir == "/tmp/ray-nni-abc123-0"
    assert option(node, "temp-dir") == f"{node.temp_dir}/ray"
    assert node.guard_socket == f"{node.temp_dir}/guard.sock"
    assert node.environment["TMPDIR"] == f"{node.temp_dir}/tmp"


@pytest.mark.parametrize(
    ("python", "path", "target"),
    [
        ("/home/a b/env/bin/python3", "/env/bin/python3", "/home/a b"),
        ("/opt/my $env/bin/python", "/bin/python", "/opt/my $env"),
        ("/home/a b/env (2)/python3", "/python3", "/home/a b/env (2)"),
    ],
)
def test_rays_python_is_reached_by_a_link_where_its_path_needs_quotes(python: str, path: str, target: str) -> None:
    node = plan((M1, facts(python=python))).nodes[0]
    assert node.python == python
    assert node.ray_python == f"{node.temp_dir}/python{path}"
    assert node.python_link == (f"{node.temp_dir}/python", target)
    assert shlex.quote(node.ray_python) == node.ray_python
    assert not node.temp_dir.startswith(node.directory)


def test_rays_temporary_folder_needs_no_quotes_either() -> None:
    node = plan((M1, facts(home="/h/a b"))).nodes[0]
    assert " " not in option(node, "temp-dir")
    assert (node.ray_python, node.python_link) == (node.python, None)


def test_a_head_whose_dashboard_does_not_start_does_not_start_at_all() -> None:
    head, worker = plan(*two_machines()).nodes
    assert "--include-dashboard=True" in head.ray_arguments
    assert not any(argument.startswith("--include-dashboard") for argument in worker.ray_arguments)


def test_nodes_of_one_machine_with_a_long_home_do_not_share_a_temporary_folder() -> None:
    known = facts(home="/" + "h" * 90)
    made = plan((M1, known), (M2, known))
    assert made.nodes[0].temp_dir != made.nodes[1].temp_dir


def test_a_node_offers_all_gpus_of_its_machine() -> None:
    node = plan((M1, facts(gpus=(0, 1, 2)))).nodes[0]
    assert node.gpus == (0, 1, 2)
    assert option(node, "num-gpus") == "3"
    assert json.loads(option(node, "resources")) == {"trials-0": 1, "gpu-0-0": 1, "gpu-0-1": 1, "gpu-0-2": 1}
    assert gpus_of({"gpu-0-0": 1, "gpu-0-12": 1, "gpu-1-3": 1, "GPU": 2, "CPU": 4}, 0) == (0, 12)
    # Nobody said which GPUs to use, so nothing says so to a trial without trialGpuNumber.
    assert node.environment["RAY_NNI_GPU_INDICES"] is None


def test_gpu_indices_limit_what_a_node_offers() -> None:
    node = plan((replace(M1, gpu_indices=(3, 1)), facts(gpus=(0, 1, 2, 3)))).nodes[0]
    assert option(node, "num-gpus") == "2"
    # Ray gives trials the ids of this variable.
    assert node.environment["CUDA_VISIBLE_DEVICES"] == node.environment["RAY_NNI_GPU_INDICES"] == "3,1"


def test_a_machine_without_gpus_offers_none() -> None:
    node = plan((M1, facts())).nodes[0]
    assert option(node, "num-gpus") == "0"
    assert node.environment["CUDA_VISIBLE_DEVICES"] == ""


def test_every_node_wants_the_token_from_a_file_of_its_own() -> None:
    for node in plan(*two_machines()).nodes:
        assert node.environment["RAY_AUTH_MODE"] == "token"
        assert node.environment["RAY_AUTH_TOKEN_PATH"] == f"{node.directory}/token"


def test_only_the_head_has_the_tuners_dependencies_on_its_path() -> None:
    head, worker = plan(*two_machines(), dependencies="head-deps").nodes
    lib = "/home/alice/.ray-nni/lib"
    assert head.environment["PYTHONPATH"] == f"{lib}/ray-nni-lib:{lib}/head-deps"
    assert worker.environment["PYTHONPATH"] == f"{lib}/ray-nni-lib"


@pytest.mark.parametrize(
    ("written", "there"),
    [("~/env/bin", "/home/alice/env/bin"), ("~", "/home/alice"), ("/opt/env/bin", "/opt/env/bin"), (None, None)],
)
def test_trials_learn_the_python_path_with_the_machines_own_home(written: str | None, there: str | None) -> None:
    node = plan((replace(M1, python_path=written), facts())).nodes[0]
    assert node.environment["RAY_NNI_PYTHON_PATH"] == there


def test_a_node_knows_its_machine_by_the_name_in_the_configuration() -> None:
    node = plan((MachineSettings("gpu1"), facts())).nodes[0]
    assert (node.host, node.environment["RAY_NNI_HOST"], node.address) == ("gpu1", "gpu1", "192.0.2.1")


def test_a_node_is_a_small_guest() -> None:
    node = plan((M1, facts())).nodes[0]
    assert int(option(node, "object-store-memory")) <= 100 * 1024**2
    assert node.environment["RAY_USAGE_STATS_ENABLED"] == "0"


def test_a_plan_is_a_value() -> None:
    made = plan(*two_machines())
    assert pickle.loads(pickle.dumps(made)) == made == plan(*two_machines())


def test_a_plan_holds_no_token() -> None:
    assert not any(
        "TOKEN" in name and not name.endswith("_PATH") for n in plan((M1, facts())).nodes for name in n.environment
    )
