"""What is odd about a machine without keeping it from being used: a wrong clock, a name that leads nowhere."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ray_remote_nni.cluster.facts import MachineFacts
from ray_remote_nni.cluster.plan import MachineSettings, offered_gpus
from ray_remote_nni.cluster.requirements import NODE_PROCESSES

_TOLERATED_SKEW_S = 60
_ROOMY_BYTES = 2 * 1024**3
_ROOMY_PROCESSES = 600


@dataclass(frozen=True)
class Remark:
    """Something that a machine's owner wants to know, and what to do about it."""

    what: str
    remedy: str


def remarks(known: MachineFacts) -> list[Remark]:
    """Return what is odd about a machine."""
    found = []
    if known.system == "Windows":
        found.append(
            Remark(
                "it runs Windows, where Ray is in beta, and we were tried in an imitation of it only.",
                "Look at its first trials; to go without it, set `enabled: false` for it in `ray.machines`.",
            )
        )
    if abs(known.clock_skew_s) > _TOLERATED_SKEW_S:
        amount, way = abs(known.clock_skew_s), "ahead of" if known.clock_skew_s > 0 else "behind"
        shown = f"{amount / 60:.0f} minutes" if amount >= 120 else f"{amount:.0f} s"
        what = f"its clock is {shown} {way} this one's, and so are the times of its trials."
        found.append(Remark(what, "Set it; timedatectl set-ntp true keeps it right."))
    if not known.hostname_resolves:
        found.append(
            Remark(
                f"its own name {known.hostname} does not resolve: each process of Ray starts 10 s later.",
                f"Add to its /etc/hosts: 127.0.1.1 {known.hostname}",
            )
        )
    if known.guard is None and NODE_PROCESSES <= (known.process_room or 0) < _ROOMY_PROCESSES:
        found.append(
            Remark(
                f"only {known.process_room} more processes and threads may be started there ({known.process_limit}).",
                "Ray starts some 70 on a node, 330 on the head, and 25 for each trial at once: have that limit raised.",
            )
        )
    if known.free_bytes < _ROOMY_BYTES and not (known.write_problem or known.root_problem):
        free = known.free_bytes // 1024**2
        found.append(
            Remark(f"only {free} MiB are free in {known.place}.", "Make room for the trials and their output.")
        )
    return found


def twins(machines: Sequence[MachineSettings], facts: Sequence[MachineFacts]) -> list[list[Remark]]:
    """Return for each machine what is odd about it beside those before it: that it is one of them."""
    found: list[list[Remark]] = [[] for _ in machines]
    for later, known in enumerate(facts):
        for earlier in range(later):
            if known.boot_id and (known.boot_id, known.hostname) == (facts[earlier].boot_id, facts[earlier].hostname):
                found[later].append(_twin(machines[earlier], facts[earlier], machines[later], known))
                break
    return found


def _twin(first: MachineSettings, known_first: MachineFacts, second: MachineSettings, known: MachineFacts) -> Remark:
    shared = set(offered_gpus(first, known_first)) & set(offered_gpus(second, known))
    what = "its GPUs and CPUs count twice" if shared else "its CPUs and memory count twice"
    remedy = "List it once" + (", or give each of the two GPUs of its own with `gpuIndices`." if shared else ".")
    return Remark(f"it is the same machine as {first.label}: {what}.", remedy)
