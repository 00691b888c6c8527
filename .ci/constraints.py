"""Prints constraints.txt: the versions of all that this project needs, dev extra included, as they are installed here.

Run it in an environment made by the newest Python, in which the tests pass. A version that no longer runs in our oldest
Python gets a marker; there, pip finds an older one by itself.
"""

from __future__ import annotations

from importlib import metadata

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

PROJECT = "ray-remote-nni"
MINORS = range(10, 14)


def needed(project: str, extra: str) -> dict[str, metadata.Distribution]:
    """Return the distributions in the closure of a project's requirements, by name."""
    found: dict[str, metadata.Distribution] = {}
    visited: set[tuple[str, str]] = set()
    waiting = [(project, ""), (project, extra)]
    while waiting:
        name, wanted = waiting.pop()
        if (name, wanted) in visited:
            continue
        visited.add((name, wanted))
        found[name] = metadata.distribution(name)
        for text in found[name].requires or []:
            below = Requirement(text)
            if below.marker is None or below.marker.evaluate({"extra": wanted}):
                waiting += [(canonicalize_name(below.name), more) for more in ("", *below.extras)]
    return found


def constraint(name: str, distribution: metadata.Distribution) -> str:
    """Return the line of a distribution."""
    accepted = SpecifierSet(distribution.metadata["Requires-Python"] or "")
    oldest = next(minor for minor in MINORS if accepted.contains(f"3.{minor}.99"))
    marker = "" if oldest == MINORS[0] else f' ; python_version >= "3.{oldest}"'
    return f"{name}=={distribution.version}{marker}"


if __name__ == "__main__":
    print("# Made by constraints.py: versions with which all tests passed.")
    for name, distribution in sorted(needed(PROJECT, "dev").items()):
        if name != PROJECT:
            print(constraint(name, distribution))
