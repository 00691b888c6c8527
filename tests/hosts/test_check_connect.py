"""`check --connect` and `up` on machines that are awkward: what they say."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import machines as m
import pytest
from client import Client

AS_ROOT = os.geteuid() == 0
TRIAL = "import nni; nni.report_final_result(nni.get_next_parameter()['x'])"
pytestmark = pytest.mark.usefixtures("nothing_is_left")


def test_check_connect_reports_every_machine_and_starts_nothing(
    client: Client, machines: list[m.TestMachine], entries: list[dict[str, object]]
) -> None:
    files = [machine.run("ls -A ~") for machine in machines]
    wrong = [{**entries[2], "pythonPath": "/nowhere/bin"}, {**entries[0], "port": 2}]
    config = client.write_experiment([*entries[:2], *wrong], TRIAL)

    document = client.json("check", config, "--connect", code=3)

    good, (unset, bad) = document["machines"][:2], document["machines"][2:]
    assert not document["valid"]
    assert [machine["host"] for machine in good] == [machine.address for machine in machines[:2]]
    for machine in good:
        assert machine["login"]
        assert machine["hostKey"].startswith("SHA256:")
        assert machine["hostKeyTrust"] == "verified"
        assert machine["ray"]
        assert abs(machine["clockSkewSeconds"]) < 30
        assert machine["hostNameResolves"]
        assert set(machine["reaches"].values()) == {True}
    assert (unset["login"], unset["hostKeyTrust"], unset["python"]) == (True, "verified", None)
    assert not bad["login"]
    [python, problem] = [found for found in document["problems"] if found["level"] == "error"]
    assert "folder `pythonPath: /nowhere/bin`, which does not exist" in python["message"]
    assert "ray[default]" not in python["remedy"]
    assert problem["field"] == "trainingService.machineList[3]"
    assert "port 2 refuses the connection" in problem["message"]
    assert "SSH server" in problem["remedy"]
    assert [machine.run("ls -A ~") for machine in machines] == files


@pytest.fixture
def firewall(machines: list[m.TestMachine]) -> Iterator[Callable[[m.TestMachine, str], None]]:
    """Lets a machine answer the other machines on these TCP ports only; all is open again afterwards."""
    closed = []

    def close(machine: m.TestMachine, ports: str) -> None:
        closed.append(machine)
        for other in machines:
            if other is not machine:
                rule = f"-s {other.address} -p tcp --syn -m multiport ! --dports {ports} -j REJECT"
                machine.run(f"iptables -I INPUT {rule}", root=True)

    yield close
    for machine in closed:
        machine.run("iptables -S INPUT | grep multiport | sed 's/^-A/-D/' | xargs -L1 iptables", root=True)


PORTS = {
    "gcs": 21000,
    "dashboard": 21001,
    "nodeManager": 21002,
    "objectManager": 21003,
    "dashboardAgent": 21004,
    "dashboardAgentGrpc": 21005,
    "runtimeEnvAgent": 21006,
    "metrics": 21007,
    "firstWorker": 21100,
    "lastWorker": 21199,
}


def test_a_firewall_is_named_with_the_rule_that_it_lacks_and_fixed_ports_get_through_it(
    client: Client, machines: list[m.TestMachine], entries: list[dict[str, object]], firewall: Any
) -> None:
    if not AS_ROOT:
        return  # the machines share one network
    # Docker gives each machine the same address, at which it meets only itself.
    for machine in machines[::2]:
        machine.run("ip link add docker0 type bridge; ip addr add 172.17.0.1/16 dev docker0", root=True)
        machine.run("ip link set docker0 up", root=True)
        firewall(machine, "22,21000,21002:21005,21100:21199")
    try:
        closed = client.write_experiment(entries[::2], TRIAL)
        document = client.json("check", closed, "--connect", code=3)
        said = client.run("up", closed, code=3, timeout_s=30).stderr
        opened = client.write_experiment(entries[::2], TRIAL, ray={"ports": PORTS}, maxTrialNumber=4)
        client.run("check", opened, "--connect")
        client.run("up", opened)
        running = client.json("check", opened, "--connect")
        state = json.loads(next((client.home / ".ray-nni/clusters").glob("*.json")).read_text())
        result = client.json("run", opened)
        # The head's agent has become a worker, too: it starts jobs.
        listening = [{port for _, port in machine.listening()} for machine in machines[::2]]
        client.run("down")
    finally:
        for machine in machines[::2]:
            machine.run("ip link del docker0", root=True)

    rule = f"iptables -I INPUT -p tcp -s {machines[0].address} -m multiport --dports 20000:31999,32768:60999 -j ACCEPT"
    errors = [problem for problem in document["problems"] if problem["level"] == "error"]
    assert any(rule in error["remedy"] for error in errors if machines[2].address in error["message"])
    assert document["machines"][0]["reaches"] == {machines[2].address: False}
    assert rule in said
    assert [(machine["cluster"], machine["takenPorts"]) for machine in running["machines"]] == [(state["name"], [])] * 2
    assert state["gcs_address"] == f"{machines[0].address}:21000"
    assert result["trials"] == {"SUCCEEDED": 4}
    assert listening[0] & {*range(21100, 21200)}
    for ports in listening:
        assert ports <= {*range(21000, 21008), *range(21100, 21200)}


def test_a_full_disk_and_a_name_that_leads_nowhere_are_reported_at_once(
    client: Client, machines: list[m.TestMachine], entries: list[dict[str, object]]
) -> None:
    if not AS_ROOT:
        return  # neither can be had without root
    machine = machines[2]
    machine.run(f"mount -t tmpfs -o size=64k tmpfs {machine.home}; hostname nowhere-7", root=True)
    machine.run(f"chown carol {machine.home}; head -c 100000 /dev/zero > {machine.home}/data || true", root=True)
    config = client.write_experiment([entries[2]], TRIAL)
    try:
        document = client.json("check", config, "--connect", code=3)
        said = client.run("up", config, code=3, timeout_s=30).stderr
    finally:
        machine.run(f"umount {machine.home}; hostname {machine.name}", root=True)

    by_level = {problem["level"]: problem for problem in document["problems"]}
    assert "No space left on device" in by_level["error"]["message"]
    assert "Free at least 300 MiB" in by_level["error"]["remedy"]
    assert "nowhere-7 does not resolve" in by_level["warning"]["message"]
    assert "/etc/hosts" in by_level["warning"]["remedy"]
    assert "No space left on device" in said


@pytest.fixture
def late(cache_folder: Path) -> Path:
    """A folder for `pythonPath`: this test's own environment, by a clock that is ten minutes ahead."""
    folder = cache_folder / "late"
    subprocess.run([sys.executable, "-m", "venv", "--clear", "--without-pip", folder], check=True)
    site = next(folder.glob("lib/python3*")) / "site-packages"
    (site / "late.py").write_text("import time\nnow = time.time\ntime.time = lambda: now() + 600\n")
    (site / "late.pth").write_text(f"import late\n{Path(pytest.__file__).parents[1]}\n")
    return folder / "bin"


def test_a_noisy_machine_with_an_odd_shell_locale_clock_and_tmp_runs_trials(
    client: Client, machines: list[m.TestMachine], late: Path
) -> None:
    machine = machines[2]
    shell = next(shell for name in ("fish", "tcsh", "zsh", "dash", "sh") if (shell := shutil.which(name)))
    noise = {
        ".bashrc": 'echo "{ noise"; export LC_ALL=C',
        ".cshrc": 'echo "{ noise"; setenv LC_ALL C',
        ".zshenv": 'echo "{ noise"; export LC_ALL=C',
        ".config/fish/config.fish": 'echo "{ noise"; set -gx LC_ALL C',
    }
    machine.run("mkdir -p ~/.config/fish")
    for file, line in noise.items():
        machine.run(f"printf '%s\\n' '{line}' > ~/{file}")
    if AS_ROOT:
        passwd = f"sed '/^carol:/s#:[^:]*$#:{shell}#' /etc/passwd > /root/passwd; cat /root/passwd > /etc/passwd"
        machine.run(f"cp /etc/passwd /root/passwd.before; {passwd}; mount -o remount,bind,noexec /tmp", root=True)
    script = f"print('Grüße'); {TRIAL}"
    try:
        config = client.write_experiment([machine.entry(pythonPath=str(late))], script, maxTrialNumber=2)
        document = client.json("check", config, "--connect")
        result = client.json("run", config)
        trials = client.trials()
        said = client.run("logs", trials[0]["trialId"], "--stdout").stdout
    finally:
        machine.run(f"cd; rm -rf {' '.join(noise)} .config")
        if AS_ROOT:
            machine.run("cat /root/passwd.before > /etc/passwd; mount -o remount,bind,exec /tmp", root=True)

    [warning] = [problem["message"] for problem in document["problems"] if "clock" in problem["message"]]
    assert "10 minutes ahead" in warning
    assert result["trials"] == {"SUCCEEDED": 2}
    assert said == "Grüße\n"
