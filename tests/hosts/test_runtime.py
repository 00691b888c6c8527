"""Machines without Ray, without a package index, and with trials in an old Python: `up` makes what they lack."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import machines as m
import pytest
from client import Client

#: In any Python from 3.6 on.
TRIAL = """
    import os, sys, nni
    nni.get_next_parameter()
    assert not any("runtime" in os.environ.get(name, "") for name in ("PATH", "PYTHONPATH", "LD_LIBRARY_PATH"))
    try:
        import ray
    except ImportError:
        nni.report_final_result({"default": 1, "minor": sys.version_info[1]})
"""
NO_INDEX = "mkdir -p ~/.config/pip; printf '[global]\\nno-index = true\\nfind-links =\\n' >~/.config/pip/pip.conf"


@pytest.fixture
def bare(machines: list[m.TestMachine]) -> Iterator[list[m.TestMachine]]:
    """Two machines whose pip has nowhere to get packages from; what `up` makes on them is removed again."""
    two = [machines[0], machines[2]]
    before = [machine.processes() for machine in two]
    for machine in two:
        machine.run(NO_INDEX)
    yield two
    for machine in two:
        machine.run("rm -rf ~/.config/pip ~/.ray-nni/runtime ~/.ray-nni/lib/site-*")
    assert [machine.processes() for machine in two] == before


def makers(said: str) -> set[str]:
    """The machines of which `up` said that a runtime is being made there."""
    return {line.split()[2] for line in said.splitlines() if "making a private Python" in line}


def test_up_makes_a_private_runtime_where_there_is_no_ray_and_only_once(
    client: Client, bare: list[m.TestMachine], old_python: Path
) -> None:
    entries = [bare[0].entry(pythonPath=str(old_python.parent)), bare[1].entry()]
    config = client.write_experiment(entries, TRIAL, maxTrialNumber=4)

    # Somebody was interrupted.
    bare[0].run("mkdir -p ~/.ray-nni/runtime/.part-old/bin")

    first = client.run("run", config, "--json")
    again = client.run("up", config).stderr
    client.run("down")

    assert json.loads(first.stdout)["trials"] == {"SUCCEEDED": 4}
    assert makers(first.stderr) == {machine.address for machine in bare}
    assert makers(again) == set()
    assert bare[0].run("ls -A ~/.ray-nni/runtime | grep part || true") == ""
    minors = {trial["machine"]: trial["metric"]["minor"] for trial in client.trials()}
    version = bare[0].run(f"{old_python} -c 'import sys; print(sys.version_info[1])'")
    assert minors[bare[0].address] == int(version)


def test_without_a_runtime_up_says_what_to_type_and_starts_nothing(client: Client, bare: list[m.TestMachine]) -> None:
    config = client.write_experiment([bare[1].entry()], TRIAL, ray={"bootstrap": "never"})
    assert "-m pip install 'ray[default]" in client.run("up", config, code=3).stderr
