"""Machines without Ray, one with a package index, one without, trials in an old Python: `up` makes what they lack."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import machines as m
import pytest
from client import Client
from wheelhouse import fill_wheelhouse

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
def bare(machines: list[m.TestMachine], cache_folder: Path) -> Iterator[list[m.TestMachine]]:
    """Two machines; what `up` makes on them is removed again.

    The first has a package index, which its user's environment names, and pip of the other has nowhere to get packages
    from.
    """
    two = [machines[0], machines[2]]
    before = [machine.processes() for machine in two]
    wheels = cache_folder / "wheels"
    fill_wheelhouse(wheels, "ray[default]")
    two[0].run(f"echo 'export PIP_NO_INDEX=1 PIP_FIND_LINKS={wheels}' >~/.bashrc")
    two[1].run(NO_INDEX)
    yield two
    for machine in two:
        machine.run("rm -rf ~/.bashrc ~/.config/pip ~/.ray-nni/runtime ~/.ray-nni/lib/site-*")
    assert [machine.processes() for machine in two] == before


def told(said: str, what: str) -> set[str]:
    """The machines of which `up` said this."""
    return {line.split()[2] for line in said.splitlines() if what in line}


def test_up_makes_a_private_runtime_where_there_is_no_ray_and_only_once(
    client: Client, bare: list[m.TestMachine], old_python: Path, trial_pythons: list[Path]
) -> None:
    entries = [bare[0].entry(pythonPath=str(old_python.parent)), bare[1].entry()]
    config = client.write_experiment(entries, TRIAL, maxTrialNumber=4)
    with_ray = [machine.entry(pythonPath=str(trial_pythons[0])) for machine in bare]
    always = client.write_experiment(with_ray, TRIAL, ray={"bootstrap": "always"})

    # Somebody was interrupted.
    bare[0].run("mkdir -p ~/.ray-nni/runtime/.part-old/bin")

    first = client.run("run", config, "--json")
    trials = client.trials()
    again = client.run("up", always).stderr
    checked = client.json("check", always, "--connect")
    # Its tuner needs more of the head than `up` knew of.
    fields = {"maxTrialNumber": 4, "trialConcurrency": 2, "tuner": {"name": "GP", "classArgs": {"cold_start_num": 1}}}
    script = "import nni; nni.report_final_result(nni.get_next_parameter()['x'])"
    by_gp = client.json("run", client.write_experiment(with_ray, script, **fields))
    state = json.loads(next((client.home / ".ray-nni/clusters").glob("*.json")).read_text())
    client.run("down")

    assert json.loads(first.stdout)["trials"] == {"SUCCEEDED": 4}
    assert told(first.stderr, "making a private Python") == {machine.address for machine in bare}
    assert told(first.stderr, "no package index is in reach: the packages are sent from here") == {bare[1].address}
    assert [machine["runtime"] for machine in checked["machines"]] == ["private", "private"]
    assert told(again, "making a private Python") == set()
    assert by_gp["trials"] == {"SUCCEEDED": 4}
    assert all("/.ray-nni/runtime/" in machine["python"] for machine in state["machines"])
    assert bare[0].run("ls -A ~/.ray-nni/runtime | grep part || true") == ""
    minors = {trial["machine"]: trial["metric"]["minor"] for trial in trials}
    version = bare[0].run(f"{old_python} -c 'import sys; print(sys.version_info[1])'")
    assert minors[bare[0].address] == int(version)


def test_without_a_runtime_up_says_what_to_type_and_starts_nothing(client: Client, bare: list[m.TestMachine]) -> None:
    config = client.write_experiment([bare[1].entry()], TRIAL, ray={"bootstrap": "never"})
    assert "-m pip install 'ray[default]" in client.run("up", config, code=3).stderr
