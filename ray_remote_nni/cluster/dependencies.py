"""What the head needs besides Ray and our own package (hyperopt, and what that needs), and where it comes from.

The user's environment is never written to. What it has is used as it is; the rest travels with `up`: copied from the
client's own environment where a copy fits the head's Python, else downloaded by the client as wheels for it.
"""

from __future__ import annotations

import asyncio
import hashlib
import sys
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from tempfile import TemporaryDirectory

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from ray_remote_nni.cluster.facts import MachineFacts
from ray_remote_nni.cluster.library import pack
from ray_remote_nni.errors import MachineError

ROOTS = ("hyperopt>=0.3.0,<0.4",)


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


@dataclass(frozen=True)
class DependencyPlan:
    """Where each missing distribution comes from; `folder` names the result, and changes with its content."""

    copied: tuple[str, ...]
    downloaded: tuple[str, ...]
    folder: str | None


def available_here() -> dict[str, Available]:
    """Describe the distributions in the closure of ROOTS, as they are installed here."""
    found: dict[str, Available] = {}
    waiting = [Requirement(root).name for root in ROOTS]
    while waiting:
        name = canonicalize_name(waiting.pop())
        if name not in found:
            found[name] = _describe(name)
            waiting += [requirement.name for requirement in found[name].requires]
    return found


def _describe(name: str) -> Available:
    distribution = metadata.distribution(name)
    lines = (distribution.read_text("WHEEL") or "").splitlines()
    requires = [Requirement(text) for text in distribution.requires or []]
    return Available(
        name=name,
        version=distribution.version,
        pure="Root-Is-Purelib: true" in lines,
        requires_python=distribution.metadata["Requires-Python"] or "",
        tags=tuple(line.removeprefix("Tag: ") for line in lines if line.startswith("Tag: ")),
        requires=tuple(r for r in requires if r.marker is None or r.marker.evaluate({"extra": ""})),
    )


def plan_dependencies(here: Mapping[str, Available], head: MachineFacts) -> DependencyPlan:
    """Decide, for each distribution that the head lacks, whether to copy or to download it."""
    version = ".".join(map(str, head.python_version))
    copied, downloaded = [], []
    for name, specifiers in sorted(_missing(here, head).items()):
        ours = here[name]
        if SpecifierSet(ours.requires_python).contains(version) and (ours.pure or _fits(ours.tags, head)):
            copied.append(name)
        else:
            downloaded.append(f"{name}{specifiers}")
    if not copied and not downloaded:
        return DependencyPlan((), (), None)
    content = [f"{name}=={here[name].version}" for name in copied] + downloaded + [_python_tag(head), head.architecture]
    digest = hashlib.sha256("\n".join(content).encode()).hexdigest()[:16]
    return DependencyPlan(tuple(copied), tuple(downloaded), f"head-{digest}")


def _missing(here: Mapping[str, Available], head: MachineFacts) -> dict[str, SpecifierSet]:
    """Return what must be brought to the head, and what is required of each.

    What the head has goes with what else it has, whatever ours would require. Only a compiled distribution is brought
    as well when what it was compiled against is: an old scipy does not work with a new numpy.
    """
    specifiers: dict[str, SpecifierSet] = {}
    missing: set[str] = set()
    waiting = [Requirement(root) for root in ROOTS]
    while waiting:
        requirement = waiting.pop()
        name = canonicalize_name(requirement.name)
        specifiers[name] = specifiers.get(name, SpecifierSet()) & requirement.specifier
        present = head.distributions.get(name)
        brought: list[str] = (
            [name] if present is None or not specifiers[name].contains(present, prereleases=True) else []
        )
        while brought:
            one = brought.pop()
            if one not in missing:
                missing.add(one)
                waiting += here[one].requires
                brought += [other for other in here if not here[other].pure and here[other].needs(one)]
    return {name: specifiers.get(name, SpecifierSet()) for name in missing}


def _python_tag(head: MachineFacts) -> str:
    return f"cp{head.python_version[0]}{head.python_version[1]}"


def _fits(tags: Sequence[str], head: MachineFacts) -> bool:
    # Not linux_x86_64: what conda or a compiler on this machine made may need libraries that are only here.
    accepted = {platform for platform in manylinux_platforms(head) if platform.startswith("manylinux")}
    for tag in tags:
        interpreter, abi, platform = tag.split("-")
        if interpreter == _python_tag(head) == abi and platform in accepted:
            return True
    return False


def manylinux_platforms(head: MachineFacts) -> list[str]:
    """Return the platform tags whose wheels the head's C library can load, the newest first."""
    try:
        major, minor = (int(part) for part in head.libc.split(".")[:2])
    except ValueError:
        major, minor = 2, 17
    newest = minor if major == 2 else 50
    platforms = [f"manylinux_2_{number}_{head.architecture}" for number in range(newest, 4, -1)]
    return [*platforms, f"manylinux2014_{head.architecture}", f"linux_{head.architecture}"]


async def pack_dependencies(plan: DependencyPlan, head_host: str, head: MachineFacts) -> bytes:
    """Return the archive of the plan's folder. Raises MachineError where a download fails."""
    with TemporaryDirectory(prefix="ray-nni-") as scratch:
        unpacked = Path(scratch) / "unpacked"
        unpacked.mkdir()
        if plan.downloaded:
            await _download(plan.downloaded, Path(scratch), unpacked, head_host, head)
        files = [(str(file.relative_to(unpacked)), file) for file in sorted(unpacked.rglob("*")) if file.is_file()]
        files += [entry for name in plan.copied for entry in _files_here(name)]
        _, archive = await asyncio.to_thread(pack, "head", files)
        return archive


def _files_here(name: str) -> list[tuple[str, Path]]:
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


async def _download(
    requirements: Sequence[str], scratch: Path, target: Path, head_host: str, head: MachineFacts
) -> None:
    wheels = scratch / "wheels"
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps", "--only-binary=:all:"),
        *("--implementation", "cp", "--python-version", ".".join(map(str, head.python_version[:2]))),
        *(argument for platform in manylinux_platforms(head) for argument in ("--platform", platform)),
        *("--dest", str(wheels), *requirements),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    _, errors = await process.communicate()
    if process.returncode != 0:
        said = [line for line in errors.decode(errors="replace").splitlines() if line.startswith("ERROR")]
        raise MachineError(
            head_host,
            f"as the head it needs {', '.join(requirements)}, and pip could not download that here"
            f" ({said[-1] if said else 'pip failed'}).",
            f"On that machine: {head.python} -m pip install '{ROOTS[0]}'",
        )
    for wheel in sorted(wheels.iterdir()):
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(target)
