"""A cluster follows its configuration, and what a killed client leaves behind the next command repairs."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import machines as m
import pytest
import yaml
from client import Client, until

AS_ROOT = os.geteuid() == 0
pytestmark = pytest.mark.usefixtures("nothing_is_left")

#: Runs until it is told to end, or on another machine than before.
TRIAL = """
    import os, pathlib, time, nni
    nni.get_next_parameter()
    nni.report_intermediate_result(0)
    while os.environ["NNI_TRIAL_SEQ_ID"] == "0" and not pathlib.Path("/tmp/ray-nni-go").exists():
        time.sleep(0.1)
    nni.report_final_result({"default": 1, "own": os.environ.get("OWN")})
"""


def rewrite(config: Path, machines: list[dict[str, Any]], **more: Any) -> None:
    known = {**yaml.safe_load(config.read_text()), **more}
    known["trainingService"]["machineList"] = machines
    config.write_text(yaml.safe_dump(known, sort_keys=False))


def hosts(client: Client) -> list[tuple[str, str]]:
    (cluster,) = client.json("status")["clusters"]
    return [(machine["host"], machine["status"]) for machine in cluster["machines"]]


def test_a_cluster_follows_its_configuration_as_machines_join_leave_and_change(
    client: Client, machines: list[m.TestMachine], entries: list[dict[str, Any]], trial_pythons: list[Path]
) -> None:
    head, by_password, third = machines
    quiet = [machine.processes() for machine in machines]
    one = {"maxTrialNumber": 1, "trialConcurrency": 1, "ray": {"machines": {head.address: {"maxTrials": 0}}}}
    config = client.write_experiment(entries[:2], TRIAL, **one)
    client.run("up", config)
    untouched = head.processes()
    try:
        client.run("run", config, "--detach")
        until(lambda: any(trial["intermediate"] for trial in client.trials()))

        # The experiment, which goes on, has never heard of the third.
        limits = {head.address: {"maxTrials": 0}, third.address: {"maxTrials": 1, "trialEnvironment": {"OWN": "3rd"}}}
        rewrite(config, entries, ray={"machines": limits})
        assert f"{third.address:<16}  worker up" in client.run("up", config).stderr
        assert hosts(client) == [(machine.address, "up") for machine in machines]

        # Where a trial runs nothing is taken away, unless that is said.
        changed = {**entries[2], "pythonPath": str(trial_pythons[1])}
        rewrite(config, [changed, entries[0]])
        assert "--force" in client.run("up", config, code=2).stderr
        assert f"{third.address:<16}  worker up" in client.run("up", config, "--force").stderr
        assert hosts(client) == [(head.address, "up"), (third.address, "up")]
        assert by_password.processes() == quiet[1]
        assert by_password.run("ls ~/.ray-nni/clusters").split() == []
        assert {process.pid for process in untouched} <= {process.pid for process in head.processes()}
        again = until(lambda: [t for t in client.trials() if t["attempt"] > 1 and t["intermediate"]])
        assert again[0]["machine"] == third.address
        third.run("touch /tmp/ray-nni-go")
        assert client.json("attach")["trials"] == {"SUCCEEDED": 1}
        assert client.trials()[0]["metric"]["own"] == "3rd"

        rewrite(config, [changed], ray={})
        assert "ray-nni down, then ray-nni up" in client.run("up", config, code=2).stderr
    finally:
        third.run("rm -f /tmp/ray-nni-go")
        client.run("down", config)
    assert client.json("status")["clusters"] == []


def kill_when(process: subprocess.Popen[str], moment: Callable[[], bool], after_s: float = 0) -> None:
    """Kill -9 a command that is still at work, so long after that moment."""
    until(lambda: moment() or process.poll() is not None, 60, poll_s=0.01)
    time.sleep(after_s)
    assert process.poll() is None, process.communicate()
    process.kill()
    process.communicate()


def state_of(client: Client) -> dict[str, Any]:
    """Return what the client remembers of its one cluster, nothing where there is none."""
    files = list((client.home / ".ray-nni/clusters").glob("[!.]*.json"))
    return json.loads(files[0].read_text()) if files else {}


def own_processes(client: Client) -> list[str]:
    """Return the command lines of all that runs in the client's home."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if f"HOME={client.home}".encode() in (folder / "environ").read_bytes().split(b"\0"):
                found.append((folder / "cmdline").read_bytes().replace(b"\0", b" ").decode())
        except OSError:
            continue
    return found


def test_a_client_killed_at_any_moment_of_up_or_down_leaves_what_the_next_up_or_down_repairs(
    client: Client, machines: list[m.TestMachine], entries: list[dict[str, Any]]
) -> None:
    two = [machines[0], machines[2]]
    quiet = [machine.processes() for machine in two]
    config = client.write_experiment([entries[0], entries[2]], TRIAL)

    def starting() -> bool:
        return state_of(client).get("status") == "starting"

    def nothing_runs() -> bool:
        return [machine.processes() for machine in two] == quiet and not own_processes(client)

    # As soon as a start is remembered; and while Ray starts, on some of the machines or on all.
    for after_s in (0, 2.5):
        kill_when(client.start("up", config), starting, after_s)
        client.run("down")
        assert nothing_runs(), after_s
        left = [machine.run("find ~/.ray-nni/clusters -mindepth 1", check=False) for machine in two]
        assert left == ["", ""], after_s

    kill_when(client.start("up", config), starting, 0.7)
    client.run("up", config)
    assert [status for _, status in hosts(client)] == ["up", "up"]

    # The head loses its power for a moment, the other machine goes on.
    machines[0].crash()
    client.run("up", config)
    assert [status for _, status in hosts(client)] == ["up", "up"]

    kill_when(client.start("down"), lambda: state_of(client).get("status") == "stopping", 0.2)
    client.run("up", config)
    assert [status for _, status in hosts(client)] == ["up", "up"]

    kill_when(client.start("down"), lambda: state_of(client).get("status") == "stopping")
    client.run("down")
    assert nothing_runs()
    client.run("down", code=4)


def test_clusters_of_two_users_and_two_of_one_account_on_one_machine_do_not_meet(
    client: Client, machines: list[m.TestMachine], entries: list[dict[str, Any]], tmp_path: Path
) -> None:
    machine, entry = machines[2], entries[2]
    quiet = machine.processes()
    (tmp_path / "other").mkdir()
    # Somebody at another laptop, who uses our account there and, where that can be, one of their own.
    other = Client(m.make_client_home(tmp_path / "other", machines))
    accounts = [entry, {**entry, "user": "root"}] if AS_ROOT else [entry]
    ours = client.write_experiment([entry], "import nni; nni.get_next_parameter(); nni.report_final_result(1)")
    theirs = [other.write_experiment([account], TRIAL) for account in accounts]
    ups = [client.start("up", ours), *(other.start("up", config) for config in theirs)]
    try:
        said = [up.communicate(timeout=150)[1] for up in ups]
        assert [up.returncode for up in ups] == [0] * len(ups), said
        assert len(client.json("status")["clusters"]) == 1
        assert len(other.json("status")["clusters"]) == len(theirs)
        # Not even what looks for lost nodes finds those of another.
        before = machine.processes()
        client.run("down", client.write_experiment(accounts[1:] or [{**entry, "port": 2}], TRIAL), "--force", code=4)
        assert machine.processes() == before

        for config in theirs:
            other.run("down", config)
        assert not own_processes(other)
        assert client.json("run", ours)["trials"] == {"SUCCEEDED": 4}
    finally:
        for owner, config in ((client, ours), *((other, config) for config in theirs)):
            owner.start("down", config).communicate()
    assert machine.processes() == quiet
