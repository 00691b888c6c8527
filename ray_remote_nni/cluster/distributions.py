"""Python distributions as they are installed here, and which of them another machine's Python can use as they are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.tags import compatible_tags, cpython_tags, parse_tag
from packaging.utils import canonicalize_name

from ray_remote_nni.cluster.facts import MachineFacts


@dataclass(frozen=True)
class Available:
    """A distribution in the client's environment, with its wheel's tags (cp311-cp311-manylinux_2_27_x86_64)."""

    name: str
    version: str
    pure: bool
    requires_python: str
    tags: tuple[str, ...]
    requires: tuple[Requirement, ...] = ()

    def needs(self, name: str) -> bool:
        """Tell whether it requires the distribution of this name."""
        return any(canonicalize_name(requirement.name) == name for requirement in self.requires)

    def fits(self, machine: MachineFacts) -> bool:
        """Tell whether a copy of it works in the machine's Python."""
        version = ".".join(map(str, machine.python_version))
        return SpecifierSet(self.requires_python).contains(version) and (self.pure or _loads(self.tags, machine))


def available_here(roots: Sequence[str]) -> dict[str, Available]:
    """Describe the distributions in the closure of these requirements, as they are installed here."""
    found: dict[str, Available] = {}
    seen: set[tuple[str, frozenset[str]]] = set()
    waiting = [Requirement(root) for root in roots]
    while waiting:
        requirement = waiting.pop()
        name, extras = canonicalize_name(requirement.name), frozenset(requirement.extras)
        if (name, extras) not in seen:
            seen.add((name, extras))
            known = _describe(name, extras)
            before = found.get(name)
            found[name] = known if before is None or len(known.requires) > len(before.requires) else before
            waiting += known.requires
    return found


def _describe(name: str, extras: frozenset[str]) -> Available:
    distribution = metadata.distribution(name)
    lines = (distribution.read_text("WHEEL") or "").splitlines()
    tags = tuple(line.removeprefix("Tag: ") for line in lines if line.startswith("Tag: "))
    if name == "ray" and (distribution.read_text("INSTALLER") or "").strip() in ("pip", "uv"):
        # The published wheels are manylinux2014 by their file names, and only inside plainly of Linux.
        tags = tuple(tag.replace("-linux_", "-manylinux2014_") for tag in tags)
    return Available(
        name=name,
        version=distribution.version,
        pure="Root-Is-Purelib: true" in lines,
        requires_python=distribution.metadata["Requires-Python"] or "",
        tags=tags,
        requires=needed_by(distribution, extras, {}),
    )


def needed_by(
    distribution: metadata.Distribution, extras: frozenset[str], environment: dict[str, str]
) -> tuple[Requirement, ...]:
    """Return what a distribution requires with these extras, where `environment` differs from this Python's markers."""
    requires = [Requirement(text) for text in distribution.requires or []]
    return tuple(
        requirement
        for requirement in requires
        if requirement.marker is None
        or any(requirement.marker.evaluate({**environment, "extra": extra}) for extra in ("", *extras))
    )


def _loads(tags: Sequence[str], machine: MachineFacts) -> bool:
    # Not linux_x86_64: what conda or a compiler on this machine made may need libraries that are only here.
    platforms = [platform for platform in manylinux_platforms(machine) if platform.startswith("manylinux")]
    version = machine.python_version[:2]
    accepted = {*cpython_tags(version, platforms=platforms)}
    accepted |= {*compatible_tags(version, f"cp{version[0]}{version[1]}", platforms)}
    return any(parse_tag(tag) & accepted for tag in tags)


def manylinux_platforms(machine: MachineFacts) -> list[str]:
    """Return the platform tags whose wheels the machine's C library can load, the newest first."""
    try:
        major, minor = (int(part) for part in machine.libc.split(".")[:2])
    except ValueError:
        major, minor = 2, 17
    newest = minor if major == 2 else 50
    platforms = [f"manylinux_2_{number}_{machine.architecture}" for number in range(newest, 4, -1)]
    legacy = {17: "manylinux2014", 12: "manylinux2010", 5: "manylinux1"}
    platforms += [f"{name}_{machine.architecture}" for number, name in legacy.items() if number <= newest]
    return [*platforms, f"linux_{machine.architecture}"]


def files_of(name: str) -> list[tuple[str, Path]]:
    """Return what a distribution installed here, but its scripts, its own tests and compiled caches."""
    entries = []
    for file in metadata.distribution(name).files or []:
        parts = file.parts
        if parts[0] == ".." or "tests" in parts or "__pycache__" in parts:
            continue
        path = Path(str(file.locate()))
        if path.is_file():
            entries.append((str(file), path))
    return entries
