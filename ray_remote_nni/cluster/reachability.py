"""Decides by which address machines reach each other, and names the firewall rules that are missing."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ray_remote_nni.cluster.facts import MachineFacts

#: `attempts[i, j]` are the answers that machine i got from machine j, by address and port: "" or why there was none.
Attempts = Mapping[tuple[int, int], Mapping[tuple[str, int], str]]


def candidate_addresses(host: str, known: MachineFacts) -> tuple[str, ...]:
    """Return the addresses by which others may reach a machine, the likeliest first.

    The one in the configuration, if it is the machine's own; the one at which SSH arrived; then those of its
    interfaces. The loopback and what is valid on one cable only lead nobody else here, so they come only where there
    is nothing else: a forwarded port of this loopback thus does not mislead.
    """
    own = [_plain(address) for address in known.addresses]
    named = [host] if host in own else []
    arrived = [_plain(known.ssh_address)] if known.ssh_address else []
    everything = list(dict.fromkeys([*named, *arrived, *own]))
    # Other loopbacks are only named by those who have machines there: tests without root.
    useful = [address for address in everything if not _local(address) or address in {*named} - {"127.0.0.1", "::1"}]
    return tuple(useful or named or ["127.0.0.1"])


def _plain(address: str) -> str:
    """Return an address without its interface, and an IPv4 one as such."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    mapped = parsed.ipv4_mapped if isinstance(parsed, ipaddress.IPv6Address) else None
    return str(mapped or parsed)


def _local(address: str) -> bool:
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return True
    return parsed.is_loopback or parsed.is_link_local or parsed.is_unspecified


def choose_address(candidates: Sequence[str], answers: Sequence[Mapping[str, str]]) -> str:
    """Return the first address at which all others got through, else the one at which most did.

    `answers` has, for each other machine, what it got from each address: "" or why nothing.
    """

    def reached(address: str) -> int:
        return sum(answer.get(address) == "" for answer in answers)

    return max(candidates, key=reached)


@dataclass(frozen=True)
class BlockedWay:
    """One machine does not reach another on some ports; `why` is what it got instead."""

    source: int
    target: int
    address: str
    ports: tuple[int, ...]
    why: str


def blocked_ways(attempts: Attempts) -> list[BlockedWay]:
    """Return what did not get through, an entry for each pair of machines and reason."""
    found = []
    for (source, target), answers in sorted(attempts.items()):
        grouped: dict[tuple[str, str], list[int]] = {}
        for (address, port), why in answers.items():
            if why:
                grouped.setdefault((address, why), []).append(port)
        for (address, why), ports in grouped.items():
            found.append(BlockedWay(source, target, address, tuple(sorted(ports)), why))
    return found


def firewall_rule(source_address: str, ports: str, system: str = "Linux") -> str:
    """Return the command that lets a machine in, to be typed as root on the other; `ports` such as "20000:31999"."""
    if system == "Windows":
        return (
            "netsh advfirewall firewall add rule name=ray-nni dir=in action=allow protocol=TCP "
            f"remoteip={source_address} localport={ports.replace(':', '-')}"
        )
    table = "ip6tables" if ":" in source_address else "iptables"
    return f"{table} -I INPUT -p tcp -s {source_address} -m multiport --dports {ports} -j ACCEPT"


def with_port(address: str, port: int | str) -> str:
    """Return address and port as one word, an IPv6 address in brackets."""
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
