"""Which Python runs Ray on each machine: decided from what the machines have, before anything is made.

It is the machine's own where that has the Ray that the others have too, else that of a private runtime under
~/.ray-nni/runtime/, which is made of a Python of the machine's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ray_remote_nni.cluster.facts import MachineFacts
from ray_remote_nni.cluster.requirements import MINIMUM_RAY, SUPPORTED_PYTHONS, ray_version
from ray_remote_nni.cluster.together import MachinesFailed
from ray_remote_nni.errors import MachineError

SOURCE = Path(__file__).parent / "remote/pythons.py"

Minor = tuple[int, int]


@dataclass(frozen=True)
class FoundPython:
    """A Python of a machine, and the modules of the standard library that it came without."""

    path: str
    version: tuple[int, int, int]
    missing: tuple[str, ...] = ()

    @property
    def supported(self) -> bool:
        """Tell whether a runtime can be made of it."""
        return SUPPORTED_PYTHONS[0] <= self.version[:2] <= SUPPORTED_PYTHONS[1] and not self.missing


@dataclass(frozen=True)
class Prospects:
    """What a machine has: Pythons, the best first, and for each private runtime's name its executable."""

    pythons: tuple[FoundPython, ...]
    runtimes: dict[str, str]

    @classmethod
    def parse(cls, answer: dict[str, Any]) -> Prospects:
        """Build from what `remote/pythons.py` answered."""
        pythons = (FoundPython(p["path"], tuple(p["version"]), tuple(p["missing"])) for p in answer["pythons"])
        return cls(tuple(pythons), {known["name"]: known["executable"] for known in answer["runtimes"]})

    def python(self, minor: Minor) -> FoundPython | None:
        """Return the best Python of this minor version."""
        return next((python for python in self.pythons if python.supported and python.version[:2] == minor), None)


@dataclass(frozen=True)
class RayPython:
    """What the nodes of one cluster must have in common: the minor version of Python, and Ray's version."""

    minor: Minor
    ray: str

    def runtime_name(self, architecture: str) -> str:
        """Return the name of the folder of a private runtime; machines of several kinds may share a home."""
        return f"ray-{self.ray}-cp{self.minor[0]}{self.minor[1]}-{architecture}"


@dataclass(frozen=True)
class Choice:
    """Where Ray runs on one machine.

    `executable` is the private runtime's, None for the machine's own Python. Where `made_of` is a Python, the
    runtime has to be made of it first.
    """

    common: RayPython
    executable: str | None
    made_of: FoundPython | None = None


def own_ray(known: MachineFacts) -> RayPython | None:
    """Return what the machine's own Python has, if it can run Ray."""
    minor = known.python_version[:2]
    if not SUPPORTED_PYTHONS[0] <= minor <= SUPPORTED_PYTHONS[1] or "ray" not in known.distributions:
        return None
    if ray_version(known) < MINIMUM_RAY or not known.ray_has_dashboard:
        return None
    return RayPython(minor, known.distributions["ray"])


def agreed(facts: Sequence[MachineFacts]) -> bool:
    """Tell whether the machines' own Pythons make a cluster as they are."""
    owned = {own_ray(known) for known in facts}
    return len(owned) == 1 and None not in owned


def choose(
    hosts: Sequence[str],
    facts: Sequence[MachineFacts],
    prospects: Sequence[Prospects],
    *,
    preferred: RayPython,
    running: RayPython | None,
    always: bool,
) -> list[Choice]:
    """Choose for each machine, so that as few runtimes as possible have to be made.

    `preferred` is what this client has: its Ray goes into new runtimes, and its Python is taken among equals.
    `running` is what a cluster has that runs already and is only added to. With `always` no machine's own Ray counts.
    Raises ClusterError that names who has what, where nothing fits all.
    """
    options = [running] if running is not None else _options(facts, prospects, preferred, always)
    possible = []
    for option in options:
        choices = [_on_machine(option, known, has, always) for known, has in zip(facts, prospects, strict=True)]
        found = [choice for choice in choices if choice is not None]
        if len(found) == len(choices):
            possible.append(found)
    if not possible:
        raise MachinesFailed(_nothing_in_common(hosts, prospects, running))

    def cost(choices: list[Choice]) -> tuple[int, int, bool, Minor]:
        common = choices[0].common
        made = sum(choice.made_of is not None for choice in choices)
        private = sum(choice.executable is not None for choice in choices)
        return made, private, common != preferred, (-common.minor[0], -common.minor[1])

    return min(possible, key=cost)


def _options(
    facts: Sequence[MachineFacts], prospects: Sequence[Prospects], preferred: RayPython, always: bool
) -> list[RayPython]:
    minors = {python.version[:2] for has in prospects for python in has.pythons if python.supported}
    options = {RayPython(minor, preferred.ray) for minor in minors}
    if not always:
        options |= {own for known in facts if (own := own_ray(known)) is not None}
    return list(options)


def _on_machine(option: RayPython, known: MachineFacts, has: Prospects, always: bool) -> Choice | None:
    if own_ray(known) == option and not (always and known.system == "Linux"):
        return Choice(option, None)
    if known.system != "Linux":
        return None
    name = option.runtime_name(known.architecture)
    if name in has.runtimes:
        return Choice(option, has.runtimes[name])
    python = has.python(option.minor)
    if python is None:
        return None
    return Choice(option, f"{known.home}/.ray-nni/runtime/{name}/bin/python", python)


def _nothing_in_common(
    hosts: Sequence[str], prospects: Sequence[Prospects], running: RayPython | None
) -> list[MachineError]:
    """Name who has what."""
    lacking = [
        MachineError(
            host,
            f"there is no Python 3.10 to 3.13 on it that Ray could run in: it has {_pythons(has)}.",
            "Install one, as a user with conda, uv or pyenv, or name its folder in `pythonPath`.",
        )
        for host, has in zip(hosts, prospects, strict=True)
        if not any(python.supported for python in has.pythons)
    ]
    if lacking:
        return lacking
    wanted = f" (Python {_text(running.minor)}, as the cluster that runs)" if running is not None else ""
    return [
        MachineError(
            host,
            f"the machines have no Python in common{wanted}: it has {_pythons(has)}.",
            "All machines of one cluster need the same minor version: install it there, or name its folder in "
            "`pythonPath`.",
        )
        for host, has in zip(hosts, prospects, strict=True)
        if running is None or has.python(running.minor) is None
    ]


def _pythons(has: Prospects) -> str:
    told = [
        f"{_text(python.version)} ({python.path}"
        + (f", without the modules {', '.join(python.missing)})" if python.missing else ")")
        for python in has.pythons
    ]
    return ", ".join(told) or "none"


def _text(version: Sequence[int]) -> str:
    return ".".join(map(str, version))
