"""The hunt for a cluster's secrets, and what a stranger on another host of its network gets of it, with TLS or not."""

from __future__ import annotations

import json
import shlex
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import machines as m
import pytest
from client import Client, until

#: Shows all that a trial could give away.
TRIAL = """
    import os, nni
    print(dict(os.environ))
    nni.report_final_result(nni.get_next_parameter()["x"])
"""
#: Prints how each port greets somebody who has no certificate: refused, silent, or what it said.
STRANGER = """
import socket, ssl, sys
address, *ports = sys.argv[1:]
context = ssl.create_default_context()
context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
for port in ports:
    for wrap in (lambda plain: plain, context.wrap_socket):
        try:
            with socket.create_connection((address, int(port)), timeout=3) as plain, wrap(plain) as stream:
                stream.sendall(b"GET /api/jobs/ HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n")
                said = stream.recv(1000)
        except OSError:
            said = b""
        print(port, said[:40] if b"200 OK" in said or b"submission" in said else "refused")
"""

STRANGER_AT_WORK = (Path(__file__).parent / "stranger.py").read_text()
#: Waits for its test to have seen enough.
PATIENT = """
    import os, time, nni
    nni.get_next_parameter()
    umask = os.umask(0)
    print(f"umask {umask:04o}")
    while not os.path.exists(os.path.expanduser("~/seen-enough")):
        time.sleep(0.1)
    nni.report_final_result(1)
"""


@dataclass(frozen=True)
class OpenCluster:
    """A cluster of one machine without TLS, an experiment that runs there, and somebody on another host."""

    client: Client
    head: m.TestMachine
    stranger: m.TestMachine
    state: dict[str, Any]


@pytest.fixture(scope="module")
def open_cluster(
    machines: list[m.TestMachine], trial_pythons: list[Path], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[OpenCluster]:
    """Nobody here has a care: client and machine make all of their files for everybody."""
    _, stranger, head = machines
    before = head.processes()
    client = Client(m.make_client_home(tmp_path_factory.mktemp("home"), machines), umask=0)
    head.run("echo umask 000 > .bashrc")
    config = client.write_experiment([head.entry(pythonPath=str(trial_pythons[0]))], PATIENT, maxTrialNumber=2)
    client.run("up", config)
    try:
        client.run("run", config, "--detach")
        until(lambda: [trial["status"] for trial in client.trials()] == ["RUNNING"] * 2)
        state = json.loads(next((client.home / ".ray-nni/clusters").glob("*.json")).read_text())
        yield OpenCluster(client, head, stranger, state)
    finally:
        client.run("down")
        head.run("rm -f .bashrc seen-enough")
    assert head.processes() == before


def test_a_stranger_is_refused_by_every_service_of_ray(open_cluster: OpenCluster, trial_pythons: list[Path]) -> None:
    head, stranger = open_cluster.head, open_cluster.stranger
    ports = sorted({port for address, port in head.listening() if not address.startswith("127.")})
    words = ["-c", STRANGER_AT_WORK, head.address, open_cluster.state["gcs_address"], *map(str, ports)]
    said = json.loads(stranger.run(f"{trial_pythons[0]}/python3 {shlex.join(words)}", timeout=120))

    grpc, http = [["UNAUTHENTICATED", "UNIMPLEMENTED"]] * 2, [["401"], ["403"]]
    assert {port: answers for port, answers in said["services"].items() if answers not in (grpc, http)} == {}
    # Control store, raylet, objects, agent, a driver, two trials' workers; and the agent's two for HTTP.
    assert list(said["services"].values()).count(grpc) >= 7
    assert list(said["services"].values()).count(http) == 2
    for join in said["joins"]:
        assert "Authentication token is missing or incorrect" in join
        assert "Failed to connect to Ray cluster" in join
        assert "joined" not in join


def test_what_we_write_is_its_owners_alone_whatever_the_umask_and_trials_keep_theirs(open_cluster: OpenCluster) -> None:
    client, head = open_cluster.client, open_cluster.head
    head.run("touch seen-enough")
    client.run("attach")
    # Not ours are what Ray opens to everybody, and what trials write; code keeps its modes. They lie in closed folders.
    others = ("*/session_*", "*/trials/*/code/*", "*/.nni/metrics")
    ours = " ".join(["! -type l -perm /077", *(f"! -path '{pattern}'" for pattern in others)])
    # On this machine earlier tests, whose umask was another, have left experiments of their own.
    folders = f".ray-nni/clusters .ray-nni/experiments/{client.json('show')['experiment']}"
    find = f"find {folders} -mindepth 1 {ours} -printf '%M %p\\n' | grep -v '^d.*/clusters/[^/]*/[0-9]*$'"
    assert head.run(find, check=False) == ""
    assert head.run("find /tmp -maxdepth 1 -name 'ray-nni-*' -perm /077") == ""
    assert head.run("stat -c %a .ray-nni") == "700\n"

    kept = [client.home / ".ray-nni", client.home / "nni-experiments"]
    paths = [path for folder in kept for path in (folder, *folder.rglob("*"))]
    assert len(paths) > 10
    assert [path for path in paths if path.stat().st_mode & 0o077] == []

    assert {client.run("logs", trial["trialId"]).stdout for trial in client.trials()} == {"umask 0000\n"}


def test_no_secret_of_an_encrypted_cluster_is_seen_anywhere_and_strangers_get_nothing(
    client: Client, machines: list[m.TestMachine], trial_pythons: list[Path]
) -> None:
    before = [machine.processes() for machine in machines]
    members, stranger = machines[:2], machines[2]
    password = machines[1].password
    assert password is not None
    entries = [machine.entry(pythonPath=str(trial_pythons[0])) for machine in members]
    config = client.write_experiment(entries, TRIAL, maxTrialNumber=6, ray={"tls": True})
    said = [client.run("up", config)]
    try:
        said.append(client.run("run", config))
        trials = client.trials()
        assert [trial["status"] for trial in trials] == ["SUCCEEDED"] * 6
        assert {trial["machine"] for trial in trials} == {machine.address for machine in members}
        said += [client.run("status", "--json"), client.run("trials"), client.run("logs", trials[0]["trialId"])]
        file = next((client.home / ".ray-nni/clusters").glob("*.json"))
        state = json.loads(file.read_text())
        secrets = (password, state["token"], state["authority"]["key"].splitlines()[1])

        url = client.run("dashboard").stdout.strip()
        asked = [
            urllib.request.Request(f"{url}{path}") for path in ("/api/jobs/", "/api/v0/tasks", "/nodes?view=summary")
        ]
        for request in asked:
            request.add_header("Authorization", f"Bearer {state['token']}")
        shown = [urllib.request.urlopen(request, timeout=20).read().decode() for request in asked]
        assert "SUCCEEDED" in shown[0]
        texts = [*shown, *(done.stdout + done.stderr for done in said)]
        texts += [
            p.read_bytes().decode(errors="replace")
            for p in client.home.rglob("*")
            if p.is_file()
            if p not in (file, config)
        ]
        assert not [text for text in texts for secret in secrets if secret in text]
        for machine in members:
            assert set(_holders(machine, secrets)) == {"token"}

        open_ports = [str(port) for address, port in machines[0].listening() if not address.startswith("127.")]
        assert open_ports
        ports = " ".join([*open_ports, str(state["dashboard_port"])])
        python = f"{trial_pythons[0]}/python3 -c {shlex.quote(STRANGER)} {machines[0].address} {ports}"
        greeted = stranger.run(python, timeout=120).splitlines()
        assert len(greeted) == 2 * (len(open_ports) + 1)
        assert {line.split(maxsplit=1)[1] for line in greeted} == {"refused"}
    finally:
        client.run("down")
    assert [machine.processes() for machine in machines] == before


def _holders(machine: m.TestMachine, secrets: tuple[str, ...]) -> list[str]:
    """The files, and what is seen of processes, in which one of the secrets is; by name."""
    # The brackets keep the search from finding itself.
    patterns = "|".join(f"[{secret[0]}]{secret[1:].replace('+', '[+]')}" for secret in secrets)
    places = f"{machine.home}/.ray-nni /tmp /dev/shm /proc/[0-9]*/cmdline /proc/[0-9]*/environ"
    found = machine.run(f"grep -rlaE {shlex.quote(patterns)} {places} 2>/dev/null", root=True, check=False)
    return [Path(line).name for line in found.splitlines()]
