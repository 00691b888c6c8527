"""A cluster follows its configuration, and what a killed client leaves behind the next command repairs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import machines as m
import pytest
import yaml
from client import Client, until

pytestmark = pytest.mark.usefixtures("nothing_is_left")

#: Runs until it is told to end, or on another machine than before.
TRIAL = """
    import os, pathlib, time, nni
    nni.get_next_parameter()
    nni.report_intermediate_result(0)
    while os.environ["NNI_TRIAL_SEQ_ID"] == "0" and not pathlib.Path("/tmp/ray-nni-go").exists():
        time.sleep(0.1)
    nni.report_final_result(1)
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

        rewrite(config, entries)
        assert f"{third.address:<16}  worker up" in client.run("up", config).stderr
        assert hosts(client) == [(machine.address, "up") for machine in machines]

        # Where a trial runs nothing is taken away, unless that is said.
        changed = {**entries[2], "pythonPath": str(trial_pythons[1])}
        rewrite(config, [changed, entries[0]])
        assert "--force" in client.run("up", config, code=3).stderr
        assert f"{third.address:<16}  worker up" in client.run("up", config, "--force").stderr
        assert hosts(client) == [(head.address, "up"), (third.address, "up")]
        assert by_password.processes() == quiet[1]
        assert by_password.run("ls ~/.ray-nni/clusters").split() == []
        assert {process.pid for process in untouched} <= {process.pid for process in head.processes()}
        again = until(lambda: [t for t in client.trials() if t["attempt"] == 2 and t["intermediate"]], 60)
        assert again[0]["machine"] == third.address
        third.run("touch /tmp/ray-nni-go")
        assert client.json("attach")["trials"] == {"SUCCEEDED": 1}

        rewrite(config, [changed], ray={})
        assert "ray-nni down, then ray-nni up" in client.run("up", config, code=3).stderr
    finally:
        third.run("rm -f /tmp/ray-nni-go")
        client.run("down", config)
    assert client.json("status")["clusters"] == []
