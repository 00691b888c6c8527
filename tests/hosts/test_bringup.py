"""What `up` says when machines are not as they should be, and what it leaves alone."""

from __future__ import annotations

import json
import os
import re
import stat
import subprocess
import urllib.error
import urllib.request
from pathlib import Path

import machines as m
import pytest
from client import Client, until

TRIAL = "import nni; nni.report_final_result(nni.get_next_parameter()['x'])"
pytestmark = pytest.mark.usefixtures("nothing_is_left")


def test_every_machine_that_fails_is_named_with_its_own_remedy(
    client: Client, machines: list[m.TestMachine], entries: list[dict[str, object]], tmp_path: Path
) -> None:
    stranger = tmp_path / "stranger"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", stranger], check=True)
    wrong_key = {**entries[0], "sshKeyFile": str(stranger)}
    wrong_password = {**entries[1], "password": "not it"}
    wrong_python = {**entries[2], "pythonPath": "/nowhere/bin"}
    silent = {**entries[0], "host": machines[0].address.rpartition(".")[0] + ".253"}
    closed = {**entries[0], "port": 2}
    config = client.write_experiment([wrong_key, wrong_password, wrong_python, silent, closed], TRIAL)

    said = client.run("up", config, code=3).stderr

    assert "does not accept the key" in said
    assert "authorized_keys" in said
    assert "does not accept the password" in said
    assert "not it" not in said
    assert "neither python3 nor python" in said
    assert re.search(r"\.253.*(no answer|cannot be reached)", said)
    assert "port 2" in said
    assert client.json("status")["clusters"] == []


def test_an_unknown_host_key_is_refused_until_it_is_accepted(client: Client, entries: list[dict[str, object]]) -> None:
    (client.home / ".ssh/known_hosts").unlink()
    config = client.write_experiment(entries[:1], TRIAL, maxTrialNumber=2)

    said = client.run("up", config, code=3).stderr

    assert "SHA256:" in said
    assert "--accept-new-host-keys" in said
    client.run("up", config, "--accept-new-host-keys")
    client.run("down")


def test_a_partial_cluster_goes_on_until_the_machine_is_mended_and_is_found_without_its_state_file(
    client: Client, machines: list[m.TestMachine], entries: list[dict[str, object]]
) -> None:
    broken = {**entries[2], "pythonPath": "/nowhere/bin"}
    config = client.write_experiment([entries[0], broken], TRIAL, maxTrialNumber=2)
    said = client.run("up", config, "--allow-partial").stderr
    assert f"It goes without {machines[2].address}" in said
    assert "neither python3 nor python" in said
    assert "Set `pythonPath` to the folder of a Python on that machine" in said
    assert client.json("run", config)["trials"] == {"SUCCEEDED": 2}

    config.write_text(config.read_text().replace("/nowhere/bin", str(entries[2]["pythonPath"])))
    client.run("up", config)
    assert [machine["status"] for machine in client.json("status")["clusters"][0]["machines"]] == ["up", "up"]

    # Its state file is lost: by the nodes' marks it is found all the same, from the same configuration only.
    for file in (client.home / ".ray-nni/clusters").glob("*.json"):
        file.unlink()
    other = client.write_experiment([entries[0], entries[2]], TRIAL)
    client.run("down", other, "--force", code=4)
    assert "2 nodes" in client.run("down", config, "--force").stderr


def test_a_cluster_of_somebody_else_on_the_same_machine_survives(
    client: Client, machines: list[m.TestMachine], entries: list[dict[str, object]], trial_pythons: list[Path]
) -> None:
    ray = f"{trial_pythons[0]}/python3 -m ray.scripts.scripts"
    head = machines[0]
    before = head.processes()
    head.run(
        f"RAY_AUTH_MODE=disabled {ray} start --head --node-ip-address={head.address} --include-dashboard=false "
        "--num-cpus=1 --disable-usage-stats --temp-dir=/tmp/foreign"
    )
    try:
        foreign = head.processes()
        client.run("up", client.write_experiment(entries[:1], TRIAL, maxTrialNumber=4))
        assert client.json("run")["trials"] == {"SUCCEEDED": 4}
        client.run("down")

        assert head.processes() == foreign
    finally:
        # More than once: what is just being forked is in no list yet.
        until(lambda: not _killed(head, before))
        head.run("rm -rf /tmp/foreign")


def _killed(machine: m.TestMachine, spared: list[m.Process]) -> bool:
    """Kill what runs there besides these, and return whether there was anything."""
    others = [process for process in machine.processes() if process not in spared]
    for process in others:
        machine.kill(process.pid)
    return bool(others)


def test_the_cluster_is_a_small_and_closed_guest(
    client: Client, machines: list[m.TestMachine], entries: list[dict[str, object]]
) -> None:
    quiet = [machine.listening() for machine in machines]
    files = [machine.run("ls -A /tmp /dev/shm") for machine in machines]
    client.run("up", client.write_experiment(entries, TRIAL, maxTrialNumber=4))
    state = json.loads(next((client.home / ".ray-nni/clusters").glob("*.json")).read_text())
    token = state["token"]
    try:
        for machine, before in zip(machines, quiet, strict=True):
            opened = machine.listening() - before
            assert all(20000 <= port < 32000 for _, port in opened), opened
            modes = machine.run("find ~/.ray-nni -maxdepth 0 -printf %m; find ~/.ray-nni -name token -printf ' %m'")
            assert modes.split() == ["700", "600"]
            commands = "\n".join(process.command for process in machine.processes())
            assert token not in commands
            assert "object_store_memory=83886080" in commands or "object-store-memory=83886080" in commands
        head = {address for address, port in machines[0].listening() if port == state["dashboard_port"]}
        assert head == {"127.0.0.1"}
        assert stat.S_IMODE(os.stat(client.home / ".ray-nni/clusters" / f"{state['name']}.json").st_mode) == 0o600
        assert "bob123" not in json.dumps(state)
        url = client.run("dashboard").stdout.strip()
        until(lambda: _status(url, token) == 200)
        assert _status(url, None) == 401
        assert client.run("dashboard", "--token").stdout.strip() == token
    finally:
        client.run("down")
    assert [machine.run("ls -A /tmp /dev/shm") for machine in machines] == files
    assert not list((client.home / ".ray-nni/clusters").glob("*.json"))


def test_the_dashboard_comes_back_after_the_network_did(
    client: Client, machines: list[m.TestMachine], entries: list[dict[str, object]]
) -> None:
    client.run("up", client.write_experiment(entries[:1], TRIAL))
    state = json.loads(next((client.home / ".ray-nni/clusters").glob("*.json")).read_text())
    url = client.run("dashboard").stdout.strip()
    until(lambda: _status(url, state["token"]) == 200)
    # From OpenSSH 9.8 on a session is a program of its own.
    session = f"-f '^sshd(-session)?: {machines[0].user}'"
    forward = machines[0].run(f"pgrep {session}")
    machines[0].run(f"pkill {session}")

    until(lambda: machines[0].run(f"pgrep {session}", check=False) not in ("", forward))
    until(lambda: _status(url, state["token"]) == 200, 30)
    client.run("down")
    until(lambda: _status(url, state["token"]) is None, 5)


def _status(url: str, token: str | None) -> int | None:
    """Return the HTTP status of the dashboard's job list, None where nobody answers."""
    request = urllib.request.Request(f"{url}/api/jobs/")
    if token is not None:
        request.add_header("Authorization", f"Bearer {token}")
    try:
        with urllib.request.urlopen(request, timeout=5) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code
    except (TimeoutError, OSError):
        return None
