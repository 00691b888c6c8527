"""The rules between the fixed ports, each by itself being good."""

from __future__ import annotations

from pydantic.alias_generators import to_camel

from ray_remote_nni.config.located import LocatedDict, LocatedScalar, Source
from ray_remote_nni.config.models import PortsConfig
from ray_remote_nni.config.problems import Problem
from ray_remote_nni.config.quantities import whole_number


def check_ports(source: Source) -> list[Problem]:
    """Two things cannot have one port, and the workers' range needs both of its ends."""
    ray = source.root.given("ray")
    ports = ray.given("ports") if isinstance(ray, LocatedDict) else None
    if not isinstance(ports, LocatedDict):
        return []
    numbers = {
        name: number
        for name in PortsConfig.model_fields
        if isinstance(node := ports.given(to_camel(name)), LocatedScalar)
        and (number := whole_number(node.value)) is not None
    }
    problems = []
    first, last = numbers.get("first_worker"), numbers.get("last_worker")
    if (first is None) != (last is None):
        given, missing = ("firstWorker", "lastWorker") if last is None else ("lastWorker", "firstWorker")
        problems.append(source.problem(("ray", "ports", given), f"{missing} is missing", f"Add {missing}, too"))
    elif first is not None and last is not None and first > last:
        message = f"the last port of the workers is {last}, below the first, {first}"
        problems.append(source.problem(("ray", "ports", "lastWorker"), message, "Write a higher number"))
    owners: dict[int, str] = {}
    for name, number in numbers.items():
        inside = first is not None and last is not None and first <= number <= last
        if name in ("first_worker", "last_worker"):
            continue
        other = "a worker" if inside else owners.get(number)
        if other is not None:
            problems.append(
                source.problem(("ray", "ports", to_camel(name)), f"port {number} is {other}'s, too", "Write another")
            )
        owners.setdefault(number, to_camel(name))
    return problems
