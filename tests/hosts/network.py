"""A private network for one session's machines: a bridge here, and a cable to each machine's network namespace.

All names carry the session's mark, so that two sessions do not meet and what a killed one left can be told.
"""

from __future__ import annotations

import fcntl
import secrets
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Network:
    """Addresses 10.77.`third`.0/24; this side is .254."""

    mark: str
    third: int

    @property
    def subnet(self) -> str:
        return f"10.77.{self.third}.0/24"

    @property
    def gateway(self) -> str:
        return f"10.77.{self.third}.254"

    def address(self, number: int) -> str:
        return f"10.77.{self.third}.{number}"


def namespace(mark: str, number: int) -> str:
    """The name of a machine's network namespace."""
    return f"rnt-{mark}-{number}"


def cable(mark: str, number: int) -> str:
    """The name of this side's end of a machine's cable."""
    return f"rnt{mark}v{number}"


def _bridge(mark: str) -> str:
    return f"rnt{mark}br"


def lay(mark: str) -> Network:
    """Make the bridge, on a subnet that nobody here uses, with a way out to package registries."""
    with Path("/run/lock/ray-nni-test-network").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        used = subprocess.run(["ip", "route"], check=True, capture_output=True, text=True).stdout
        # Any of them: one that has just been given up is not to be somebody else's at once.
        third = secrets.choice([number for number in range(1, 255) if f"10.77.{number}." not in used])
        network = Network(mark, third)
        _ip("link", "add", _bridge(mark), "type", "bridge")
        _ip("addr", "add", f"{network.gateway}/24", "dev", _bridge(mark))
        _ip("link", "set", _bridge(mark), "up")
    for rule in _rules(network):
        # Without iptables the machines have no way out of their network, as many real ones.
        if shutil.which("iptables"):
            subprocess.run(["iptables", *rule], check=False, capture_output=True)
    Path("/proc/sys/net/ipv4/ip_forward").write_text("1")
    return network


def connect(network: Network, number: int, ssh_port: int, only_ssh: bool) -> None:
    """Make the network namespace of machine `number` and plug it in.

    `only_ssh`: this side reaches the machine's SSH port and no other, as a laptop before a firewall. Between
    machines all is open.
    """
    mark, space = network.mark, namespace(network.mark, number)
    _ip("netns", "add", space)
    _ip("link", "add", cable(mark, number), "type", "veth", "peer", "name", "eth0", "netns", space)
    _ip("link", "set", cable(mark, number), "master", _bridge(mark), "up")
    _ip("-n", space, "addr", "add", f"{network.address(number)}/24", "dev", "eth0")
    _ip("-n", space, "link", "set", "eth0", "up")
    _ip("-n", space, "link", "set", "lo", "up")
    _ip("-n", space, "route", "add", "default", "via", network.gateway)
    if only_ssh:
        others = ["!", "--dport", str(ssh_port), "--syn", "-j", "REJECT", "--reject-with", "tcp-reset"]
        _ip("netns", "exec", space, "iptables", "-A", "INPUT", "-s", network.gateway, "-p", "tcp", *others)


def plug(mark: str, number: int, state: str) -> None:
    """Set a machine's cable "up" or "down"."""
    _ip("link", "set", cable(mark, number), state)


def inhabitants(space: str) -> list[int]:
    """The processes in a network namespace, as numbered here."""
    done = subprocess.run(["ip", "netns", "pids", space], check=False, capture_output=True, text=True)
    return [int(number) for number in done.stdout.split()]


def namespaces(mark: str) -> list[str]:
    """The network namespaces of one session."""
    listed = subprocess.run(["ip", "netns", "list"], check=True, capture_output=True, text=True).stdout
    names = [line.split()[0] for line in listed.splitlines() if line.strip()]
    return [name for name in names if name.startswith(f"rnt-{mark}-")]


def clear(mark: str) -> None:
    """Remove all of a session's network, whatever is there of it. Its processes must be gone."""
    for space in namespaces(mark):
        _ip("netns", "del", space)
    shown = subprocess.run(["ip", "-o", "-4", "addr"], check=True, capture_output=True, text=True).stdout
    for line in shown.splitlines():
        _, name, _, address, *_ = line.split()
        if name == _bridge(mark):
            for rule in _rules(Network(mark, int(address.split(".")[2]))):
                subprocess.run(
                    ["iptables", *("-D" if part == "-A" else part for part in rule)], check=False, capture_output=True
                )
    links = subprocess.run(["ip", "-o", "link"], check=True, capture_output=True, text=True).stdout
    for line in links.splitlines():
        name = line.split()[1].rstrip(":").split("@")[0]
        if name.startswith(f"rnt{mark}"):
            # The kernel takes a namespace's cable away some time after the namespace: it may be gone by now.
            subprocess.run(["ip", "link", "del", name], check=False, capture_output=True)


def _rules(network: Network) -> list[list[str]]:
    bridge = _bridge(network.mark)
    return [
        ["-t", "nat", "-A", "POSTROUTING", "-s", network.subnet, "!", "-d", network.subnet, "-j", "MASQUERADE"],
        ["-A", "FORWARD", "-i", bridge, "-j", "ACCEPT"],
        ["-A", "FORWARD", "-o", bridge, "-j", "ACCEPT"],
    ]


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True)
