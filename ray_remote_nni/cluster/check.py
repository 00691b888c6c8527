"""`check --connect`: logs in everywhere at once, starts nothing, and tells of each machine what a cluster needs."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib import metadata
from typing import Any

from ray_remote_nni.cluster.facts import MachineFacts, read_facts
from ray_remote_nni.cluster.membership import Members, find_cluster, members_of
from ray_remote_nni.cluster.neighbours import Neighbour, survey_neighbours
from ray_remote_nni.cluster.plan import choose_head, node_address
from ray_remote_nni.cluster.pythons import Choice, RayPython, agreed, choose
from ray_remote_nni.cluster.reached import question
from ray_remote_nni.cluster.remarks import Remark, remarks, twins
from ray_remote_nni.cluster.request import ClusterRequest, RequestedMachine
from ray_remote_nni.cluster.requirements import check_machines
from ray_remote_nni.cluster.runtime import no_place, read_prospects
from ray_remote_nni.cluster.together import MachinesFailed, failures_of, on_all
from ray_remote_nni.cluster.transport import HostKeyTrust, Transport
from ray_remote_nni.config.problems import Level, MachineProblem, Problem
from ray_remote_nni.errors import ClusterError, MachineError, UsageError


@dataclass(frozen=True)
class CheckedMachine:
    """What was found at a machine; `facts` is None where it was not reached, or told nothing of itself.

    `login` says whether it let us in. `host_key` is the fingerprint of its SSH host key, `host_key_trust` tells
    whether that is the recorded one. `reaches` tells of each other machine, by its host, whether all
    the ports were open that Ray will use. `ray` says where Ray will run, None where the machine's own Python does.
    `cluster` is the name of the cluster of just these machines that has a node there already.
    """

    host: str
    address: str | None = None
    login: bool = False
    host_key: str | None = None
    host_key_trust: HostKeyTrust | None = None
    facts: MachineFacts | None = None
    ray: Choice | None = None
    cluster: str | None = None
    reaches: Mapping[str, bool] = field(default_factory=dict)
    errors: tuple[MachineError, ...] = ()
    remarks: tuple[Remark, ...] = ()

    @property
    def _runtime(self) -> str:
        if self.ray is None or self.ray.executable is None:
            return "own"
        return "private" if self.ray.made_of is None else "private, to be made"

    def to_json(self) -> dict[str, Any]:
        """The shape of an entry of `machines` in `check --connect --json`."""
        known = self.facts
        shown: dict[str, Any] = {
            "host": self.host,
            "login": self.login,
            "hostKey": self.host_key,
            "hostKeyTrust": self.host_key_trust,
            "python": None,
        }
        if known is None:
            return shown
        return shown | {
            "address": self.address,
            "os": known.system_name,
            "python": ".".join(map(str, known.python_version)),
            "pythonExecutable": known.python,
            "ray": known.distributions.get("ray"),
            "runtime": self._runtime,
            "cpus": known.cpus,
            "gpus": list(known.gpus),
            "freeBytes": known.free_bytes,
            "clockSkewSeconds": round(known.clock_skew_s, 1),
            "hostName": known.hostname,
            "hostNameResolves": known.hostname_resolves,
            "freePorts": list(known.free_ports),
            "takenPorts": [port for port, owner in known.taken_ports.items() if owner != self.cluster],
            "cluster": self.cluster,
            "reaches": dict(self.reaches),
        }


@dataclass(frozen=True)
class _Silent:
    """A machine that let us in and told nothing of itself."""

    error: MachineError
    host_key: str | None
    host_key_trust: HostKeyTrust | None


@dataclass(frozen=True)
class _Reached:
    machine: RequestedMachine
    transport: Transport
    facts: MachineFacts


async def check_cluster(request: ClusterRequest) -> list[CheckedMachine]:
    """Look at all machines of a request; nothing is written or started there."""
    running = find_cluster(request)
    name = running.name if running is not None else "check"
    members = members_of(request, running)
    found = await asyncio.gather(*(_reach(request, place, members, name) for place in range(len(request.machines))))
    reached = [one for one in found if isinstance(one, _Reached)]
    try:
        addresses, ways, errors = await _survey(request, reached)
        choices, unfit = await _choose_rays(request, reached)
        errors += unfit
        errors += await _check_head(request, reached)
        if reached and all(one.facts.system != "Linux" for one in reached):
            what = f"it runs {reached[0].facts.system}, and the head of a cluster must run Linux."
            errors.append((0, MachineError(reached[0].machine.label, what, "List a machine that does.")))
    finally:
        await asyncio.gather(*(one.transport.close() for one in reached), return_exceptions=True)
    rays = [_with(choice, other.facts) for choice, other in zip(choices, reached, strict=True)]
    without_python = {index for index, _ in unfit}
    for index, other in enumerate(reached):
        found_wrong = check_machines([other.machine.settings], [rays[index]], ray=index not in without_python)
        errors += [(index, error) for error in found_wrong]
    labels = [one.machine.label for one in reached]
    again = twins([one.machine.settings for one in reached], [one.facts for one in reached])
    if reached and not errors:
        together = check_machines([one.machine.settings for one in reached], rays)
        errors += [(labels.index(error.machine), error) for error in together]
    checked = []
    for machine, one in zip(request.machines, found, strict=True):
        host = machine.settings.host
        if isinstance(one, MachineError):
            checked.append(CheckedMachine(host, errors=(one,)))
            continue
        if isinstance(one, _Silent):
            key, trust = one.host_key, one.host_key_trust
            checked.append(CheckedMachine(host, login=True, host_key=key, host_key_trust=trust, errors=(one.error,)))
            continue
        index = reached.index(one)
        checked.append(
            CheckedMachine(
                host,
                address=addresses[index],
                login=True,
                host_key=one.transport.host_key,
                host_key_trust=one.transport.host_key_trust,
                facts=one.facts,
                ray=choices[index],
                cluster=None if one.facts.guard is None else name,
                reaches={reached[target].machine.label: open_ for target, open_ in ways[index].items()},
                errors=tuple(error for target, error in errors if target == index),
                remarks=(*remarks(one.facts), *again[index]),
            )
        )
    return checked


async def _reach(
    request: ClusterRequest, place: int, members: Members, cluster: str
) -> _Reached | _Silent | MachineError:
    machine = request.machines[place]
    asked = question(request, members.indices[place], members.next_index, cluster)
    try:
        transport = await machine.connect()
    except MachineError as error:
        return error
    try:
        facts = await read_facts(transport, asked, python_path=machine.settings.python_path)
    except BaseException as error:
        silent = (
            _Silent(error, transport.host_key, transport.host_key_trust) if isinstance(error, MachineError) else None
        )
        await transport.close()
        if silent is None:
            raise
        return silent
    return _Reached(machine, transport, facts)


async def _check_head(request: ClusterRequest, reached: Sequence[_Reached]) -> list[tuple[int, MachineError]]:
    """Return what keeps the machine that will be the head from being it."""
    try:
        head = choose_head([one.machine.settings for one in reached], request.head_host, [one.facts for one in reached])
    except UsageError:
        return []  # none of those that were reached can be
    return [(head, error) for error in await failures_of([reached[head].transport.check_forwarding()])]


async def _choose_rays(
    request: ClusterRequest, reached: Sequence[_Reached]
) -> tuple[Sequence[Choice | None], list[tuple[int, MachineError]]]:
    """Return where Ray will run on each machine, as `up` would choose, and who has no Python for it."""
    own: Sequence[Choice | None] = [None] * len(reached)
    facts = [one.facts for one in reached]
    always = request.bootstrap == "always"
    if not reached or request.bootstrap == "never" or (agreed(facts) and not always):
        return own, []
    labels = [one.machine.label for one in reached]
    try:
        prospects = await on_all(
            read_prospects(one.transport, one.facts, one.machine.settings.python_path) for one in reached
        )
        preferred = RayPython(sys.version_info[:2], metadata.version("ray"))
        choices = choose(labels, facts, prospects, preferred=preferred, running=None, always=always)
    except MachinesFailed as error:
        return own, [(labels.index(failed.machine), failed) for failed in error.errors]
    unfit = [
        (index, problem)
        for index, choice in enumerate(choices)
        if choice.made_of is not None and (problem := no_place(labels[index], facts[index])) is not None
    ]
    return choices, unfit


def _with(choice: Choice | None, known: MachineFacts) -> MachineFacts:
    """Return the machine's facts as they will be with a private runtime."""
    if choice is None or choice.executable is None:
        return known
    return replace(
        known,
        python=choice.executable,
        python_version=(*choice.common.minor, 0),
        distributions={**known.distributions, "ray": choice.common.ray},
        ray_has_dashboard=True,
    )


async def _survey(
    request: ClusterRequest, reached: Sequence[_Reached]
) -> tuple[Sequence[str], list[dict[int, bool]], list[tuple[int, MachineError]]]:
    """Return the machines' addresses, whom each reaches, and what is in the way."""
    neighbours = [Neighbour(one.machine.settings, one.transport, one.facts) for one in reached]
    likely = [node_address(one.machine.settings, one.facts) for one in reached]
    ways: list[dict[int, bool]] = [{} for _ in reached]
    if len(reached) < 2:
        return likely, ways, []
    wanted = request.head_host
    head = wanted if wanted and any(one.machine.settings.is_called(wanted) for one in reached) else None
    try:
        survey, errors = await survey_neighbours(neighbours, head, request.ports)
    except (ClusterError, UsageError) as error:
        return (
            likely,
            ways,
            [(0, MachineError(reached[0].machine.label, f"the machines could not try each other's ports: {error}"))],
        )
    for (source, target), answers in survey.attempts.items():
        ways[source][target] = not any(answers.values())
    return survey.addresses, ways, errors


def machine_problems(file: str, checked: Sequence[CheckedMachine]) -> list[Problem]:
    """Return all that is wrong with the machines, and odd about them, as problems of their configuration's file."""
    found = []
    for index, machine in enumerate(checked):
        where = f"trainingService.machineList[{index}]"
        for error in machine.errors:
            found.append(_problem(file, where, "error", machine.host, error.what, error.remedy))
        for remark in machine.remarks:
            found.append(_problem(file, where, "warning", machine.host, remark.what, remark.remedy))
    return found


def _problem(file: str, field: str, level: Level, host: str, what: str, remedy: str | None) -> Problem:
    message = f"{host}: {what.rstrip('.')}"
    return MachineProblem(file, None, None, field, level, message, remedy)
