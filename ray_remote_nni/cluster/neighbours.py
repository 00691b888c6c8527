"""How the machines of a cluster reach each other: by which address, and what stands between them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ray_remote_nni.cluster.facts import MachineFacts
from ray_remote_nni.cluster.plan import MachineSettings, choose_head, node_address
from ray_remote_nni.cluster.ports import FIRST_PORT, LAST_PORT, choose_ports, ports_to_open
from ray_remote_nni.cluster.probe import Place, Survey, survey
from ray_remote_nni.cluster.reachability import blocked_ways, firewall_rule
from ray_remote_nni.cluster.together import MachinesFailed
from ray_remote_nni.cluster.transport import Transport
from ray_remote_nni.errors import MachineError


@dataclass(frozen=True)
class Neighbour:
    """A machine that answers: as its owner wants it, the way to it, and what it says of itself."""

    settings: MachineSettings
    transport: Transport
    facts: MachineFacts


async def survey_neighbours(
    machines: Sequence[Neighbour], head_host: str | None, fixed: Mapping[str, int]
) -> tuple[Survey, list[tuple[int, MachineError]]]:
    """Let the machines try each other on the ports that Ray will use.

    Returns also the errors, each with the index of the machine that is not reached.
    """
    head = choose_head([one.settings for one in machines], head_host, [one.facts for one in machines])
    found = await survey(
        [
            Place(
                machine.settings.host,
                machine.transport,
                machine.facts,
                choose_ports(machine.facts.free_ports, fixed).for_others(index == head),
            )
            for index, machine in enumerate(machines)
        ]
    )
    return found, _errors(machines, found, fixed)


async def find_addresses(
    machines: Sequence[Neighbour], head_host: str | None, fixed: Mapping[str, int]
) -> tuple[str, ...]:
    """Return the address of each machine by which the others reach it. Raises ClusterError where they do not."""
    if len(machines) == 1:
        return (node_address(machines[0].settings, machines[0].facts),)
    found, errors = await survey_neighbours(machines, head_host, fixed)
    if errors:
        raise MachinesFailed([error for _, error in errors])
    return found.addresses


def _errors(machines: Sequence[Neighbour], found: Survey, fixed: Mapping[str, int]) -> list[tuple[int, MachineError]]:
    """Return an error for each machine and reason, with the rules that its firewall lacks."""
    grouped: dict[tuple[int, str], list[tuple[int, tuple[int, ...]]]] = {}
    for way in blocked_ways(found.attempts):
        grouped.setdefault((way.target, way.why), []).append((way.source, way.ports))
    errors = []
    opened = ports_to_open(fixed, FIRST_PORT, LAST_PORT)
    for (target, why), ways in grouped.items():
        sources = ", ".join(machines[source].settings.label for source, _ in ways)
        ports = ", ".join(map(str, sorted({port for _, some in ways for port in some})))
        system = machines[target].facts.system
        rules = "; ".join(firewall_rule(found.addresses[source], opened, system) for source, _ in ways)
        errors.append(
            (
                target,
                MachineError(
                    machines[target].settings.label,
                    f"{sources} cannot reach it at {found.addresses[target]}, TCP {ports}: {why}.",
                    f"If that is its firewall, as {'administrator' if system == 'Windows' else 'root'} on it: {rules}"
                    + ("" if fixed else " (with `ray.ports` fewer ports must be open)"),
                ),
            )
        )
    return errors
