"""The options of single machines, `ray.machines`: whose they are, and what they leave over."""

from __future__ import annotations

from ray_remote_nni.config.located import LocatedDict, LocatedList, LocatedScalar, Node, Source, text_of
from ray_remote_nni.config.names import listed, nearest, some_of
from ray_remote_nni.config.problems import Level, Problem
from ray_remote_nni.config.quantities import whole_number
from ray_remote_nni.config.values import flag

_PATH = ("ray", "machines")
#: What this machine is called where there is no machineList.
LOCAL_HOST = "localhost"


def check_options(source: Source, machines: Node | None, unlisted: Level = "error") -> list[Problem]:
    """What is wrong between `ray.machines`, the machineList and `ray.headNode`.

    Options for a machine that is not listed are as bad as `unlisted` says.
    """
    options = source.find(_PATH)
    if not isinstance(options, LocatedDict):
        return []
    hosts = listed_machines(machines)
    names = {host for host, _ in hosts} | {f"{host}:{port}" for host, port in hosts}
    problems = []
    for entry in options.entries:
        if entry.key not in names:
            known = [host for host, _ in hosts]
            message = f"it names no machine; accepted: a host of the machineList ({some_of(known)}), or host:port"
            remedy = f"Write {nearest(entry.key, known) or listed(known)}" if known else None
            path = (*_PATH, entry.key)
            problems.append(source.problem(path, message, remedy, mark=entry.mark, level=unlisted))
    closed = {host: _closed(options, *host) for host in hosts}
    if hosts and all(closed.values()):
        problems.append(source.problem(_PATH, "they leave no machine for trials", "Enable one of them"))
    head = text_of(source.find(("ray", "headNode")))
    named = {(host, port): closed[host, port] for host, port in hosts if head and is_called(head, host, port)}
    if named and set(named.values()) == {"enabled"}:
        message = f"{head} is not enabled (ray.machines)"
        problems.append(source.problem(("ray", "headNode"), message, "Name another, or give it maxTrials: 0"))
    return problems


def is_called(name: str, host: str, port: int) -> bool:
    """Tell whether a machine is what `ray.headNode` means by a name."""
    return name.lower() in (host.lower(), f"{host}:{port}".lower())


def listed_machines(machines: Node | None) -> list[tuple[str, int]]:
    """Return host and port of each machine of a machineList; where there is none, those of this machine."""
    if not isinstance(machines, LocatedList):
        return [(LOCAL_HOST, 22)] if machines is None else []
    found = []
    for machine in machines.items:
        if isinstance(machine, LocatedDict) and (host := text_of(machine.given("host"))) is not None:
            port = machine.given("port")
            found.append((host.strip(), (whole_number(port.value) if isinstance(port, LocatedScalar) else None) or 22))
    return found


def _closed(options: LocatedDict, host: str, port: int) -> str | None:
    """The field that closes a machine to trials, if one does."""
    own = options.given(f"{host}:{port}") or options.given(host)
    if not isinstance(own, LocatedDict):
        return None
    enabled, most = own.given("enabled"), own.given("maxTrials")
    if isinstance(enabled, LocatedScalar) and flag(enabled.value) is False:
        return "enabled"
    return "maxTrials" if isinstance(most, LocatedScalar) and whole_number(most.value) == 0 else None
