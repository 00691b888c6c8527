"""An encrypted cluster, the hunt for its secrets, and a stranger on another host of its network."""

from __future__ import annotations

import json
import shlex
import urllib.request
from pathlib import Path

import machines as m
from client import Client

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
