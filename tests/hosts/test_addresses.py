"""By which addresses the machines of a cluster meet: behind forwarded ports, through the README's firewall, by IPv6."""

from __future__ import annotations

import json
import os
import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import machines as m
import pytest
from client import Client

AS_ROOT = os.geteuid() == 0
README = Path(__file__).parents[2] / "README.md"
TRIAL = "import nni; nni.report_final_result(nni.get_next_parameter()['x'])"


@pytest.fixture
def two(machines: list[m.TestMachine]) -> Iterator[list[m.TestMachine]]:
    """Two machines, on which nothing is left at the end."""
    chosen = machines[::2]
    before = [machine.processes() for machine in chosen]
    yield chosen
    assert [machine.processes() for machine in chosen] == before


@contextmanager
def relay(address: str, port: int) -> Iterator[int]:
    """A port of this loopback that leads to a machine's, as a router's forwarded port does."""

    def copy(source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while part := source.recv(65536):
                target.sendall(part)
        with suppress(OSError):
            target.shutdown(socket.SHUT_WR)

    def serve() -> None:
        with suppress(OSError):
            while True:
                near, _ = listener.accept()
                far = socket.create_connection((address, port))
                for pair in ((near, far), (far, near)):
                    threading.Thread(target=copy, args=pair, daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=serve, daemon=True).start()
        yield listener.getsockname()[1]


@contextmanager
def readme_firewall(machines: Sequence[m.TestMachine]) -> Iterator[None]:
    """The firewall on each of these machines that the README says lets in only the others."""
    lines = [
        line.strip() for line in README.read_text("utf-8").splitlines() if line.startswith("    iptables -A INPUT")
    ]
    rules = {
        machine.name: [
            line.replace("OTHER", other.address)
            for line in lines
            for other in ([one for one in machines if one is not machine] if "OTHER" in line else [machine])
        ]
        for machine in machines
    }
    try:
        for machine in machines:
            machine.run("; ".join(rules[machine.name]), root=True)
        yield
    finally:
        for machine in machines:
            machine.run("; ".join(rule.replace("-A", "-D", 1) for rule in rules[machine.name]), root=True)


def test_machines_behind_forwarded_ports_meet_at_their_own_addresses_and_through_the_readmes_firewall(
    client: Client, machines: list[m.TestMachine], two: list[m.TestMachine], trial_pythons: list[Path]
) -> None:
    with ExitStack() as stack:
        ports = [stack.enter_context(relay(machine.address, machine.port)) for machine in two]
        # Nothing is behind the last port.
        config = client.write_experiment(
            [
                machine.entry(host="127.0.0.1", port=port, pythonPath=str(trial_pythons[0]))
                for machine, port in zip([*two, two[0]], [*ports, 2], strict=True)
            ],
            TRIAL,
            maxTrialNumber=4,
            ray={"hostKeyPolicy": "accept-new", "headNode": f"127.0.0.1:{ports[1]}"},
        )
        if AS_ROOT:
            stack.enter_context(readme_firewall(two))
        document = client.json("check", config, "--connect", code=3)
        said = client.run("up", config, "--allow-partial").stderr
        head = client.json("status")["clusters"][0]["headPort"]
        open_to_strangers = reached(machines[1], two) if AS_ROOT else ""
        result = client.json("run", config)
        ran_on = {trial["machine"] for trial in client.trials()}
        assert {trial["machinePort"] for trial in client.trials()} == set(ports)
        assert f"127.0.0.1:{ports[1]}" in client.run("trials").stdout
        stopped = client.run("down").stderr

    if AS_ROOT:
        assert [machine["address"] for machine in document["machines"][:2]] == [machine.address for machine in two]
    assert [machine["reaches"] for machine in document["machines"][:2]] == [
        {f"127.0.0.1 port {ports[1]}": True},
        {f"127.0.0.1 port {ports[0]}": True},
    ]
    assert "127.0.0.1 port 2  left out: port 2 refuses the connection" in said
    assert "It goes without 127.0.0.1 port 2." in said
    assert all(f"127.0.0.1 port {port}  stopped" in stopped for port in ports)
    assert head == ports[1]
    assert open_to_strangers == ""
    assert result["trials"] == {"SUCCEEDED": 4}
    assert ran_on == {"127.0.0.1"}


def reached(stranger: m.TestMachine, machines: Sequence[m.TestMachine]) -> str:
    """The ports of these machines at which a stranger gets through, a line each."""
    places = {
        f"{machine.address}/{port}"
        for machine in machines
        for address, port in machine.listening()
        if not address.startswith("127.")
    }
    assert len(places) > 8
    return stranger.run(
        f'for place in {" ".join(places)}; do (timeout 2 bash -c "</dev/tcp/$place" && echo $place) & done; wait'
    )


@contextmanager
def only_ipv6_between(machines: Sequence[m.TestMachine]) -> Iterator[list[str]]:
    """Give the machines IPv6 addresses, and let them reach each other by these only."""
    addresses = [f"fd77::{number}" for number, _ in enumerate(machines, 1)]
    blocked = f"INPUT -s {','.join(machine.address for machine in machines)} -j REJECT"
    try:
        for machine, address in zip(machines, addresses, strict=True):
            machine.run(f"ip -6 addr add {address}/64 dev eth0 nodad; iptables -I {blocked}", root=True)
        yield addresses
    finally:
        for machine, address in zip(machines, addresses, strict=True):
            machine.run(f"ip -6 addr del {address}/64 dev eth0; iptables -D {blocked}", root=True, check=False)


def test_machines_that_reach_each_other_by_ipv6_only_are_one_cluster(
    client: Client, two: list[m.TestMachine], trial_pythons: list[Path]
) -> None:
    if not AS_ROOT:
        return  # the machines share one network
    config = client.write_experiment(
        [machine.entry(pythonPath=str(trial_pythons[0])) for machine in two], TRIAL, maxTrialNumber=4
    )
    with only_ipv6_between(two) as addresses:
        done = client.run("run", config, "--json")

    assert f"head up at {addresses[0]}" in done.stderr
    assert f"worker up at {addresses[1]}" in done.stderr
    assert json.loads(done.stdout)["trials"] == {"SUCCEEDED": 4}
    assert {trial["machine"] for trial in client.trials()} == {machine.address for machine in two}
