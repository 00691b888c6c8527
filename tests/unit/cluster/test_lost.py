"""Nodes without a state file are told from everybody else's by their marks."""

from __future__ import annotations

import json
from pathlib import Path

from machine_values import cluster_state

from ray_remote_nni.cluster.lost import lost_nodes, owner_of
from ray_remote_nni.cluster.plan import MachineSettings
from ray_remote_nni.cluster.request import RequestedMachine

MACHINE = RequestedMachine(MachineSettings("192.0.2.1"), None)


def mark(cluster: str, owner: str) -> str:
    directory = f"/home/bob/.ray-nni/clusters/{cluster}/1"
    return json.dumps({"owner": owner, "directory": directory, "temp_dir": "/tmp/t", "python": "/usr/bin/python3"})


def test_only_nodes_of_this_owner_are_lost(home: Path) -> None:
    mine, other = owner_of("/c.yml"), owner_of("/other.yml")
    assert mine != other
    (node,) = lost_nodes(f"{mark('aaaaaa', mine)}\n{mark('bbbbbb', other)}\nnot json\n[]\n", mine, MACHINE)
    assert (node.directory, node.home) == ("/home/bob/.ray-nni/clusters/aaaaaa/1", "/home/bob")
    assert (node.python, node.temp_dir) == ("/usr/bin/python3", "/tmp/t")


def test_a_cluster_that_has_a_state_file_is_not_lost(home: Path) -> None:
    cluster_state(name="aaaaaa").save()
    mine = owner_of("/c.yml")
    assert lost_nodes(mark("aaaaaa", mine), mine, MACHINE) == []
