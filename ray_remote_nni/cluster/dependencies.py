"""What the head needs besides Ray and our own package (what the tuners need, and that in turn), and where it is from.

The user's environment is never written to. What it has is used as it is; the rest travels with `up`: copied from the
client's own environment where a copy fits the head's Python, else downloaded by the client as wheels for it.
"""

from __future__ import annotations

import asyncio
import hashlib
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from ray_remote_nni.cluster.distributions import Available, files_of
from ray_remote_nni.cluster.facts import MachineFacts
from ray_remote_nni.cluster.library import pack
from ray_remote_nni.cluster.pip import run_pip
from ray_remote_nni.errors import MachineError

ROOTS = ("hyperopt==0.3.0", "threadpoolctl>=3.1")


@dataclass(frozen=True)
class DependencyPlan:
    """Where each missing distribution comes from; `folder` names the result, and changes with its content."""

    copied: tuple[str, ...]
    downloaded: tuple[str, ...]
    folder: str | None

    @property
    def names(self) -> frozenset[str]:
        """The distributions."""
        downloaded = (canonicalize_name(Requirement(text).name) for text in self.downloaded)
        return frozenset((*self.copied, *downloaded))


def plan_dependencies(
    here: Mapping[str, Available],
    head: MachineFacts,
    roots: Sequence[str] = ROOTS,
    brought: DependencyPlan | None = None,
) -> DependencyPlan:
    """Decide, for each distribution that the head lacks for `roots`, whether to copy or to download it.

    What another plan has `brought` there is there.
    """
    copied, downloaded = [], []
    there = brought.names if brought is not None else frozenset()
    for name, specifiers in sorted(_missing(here, head, roots).items()):
        if name in there:
            continue
        ours = here[name]
        if ours.fits(head):
            copied.append(name)
        else:
            downloaded.append(f"{name}{specifiers}")
    if not copied and not downloaded:
        return DependencyPlan((), (), None)
    content = [f"{name}=={here[name].version}" for name in copied] + downloaded + [_python_tag(head), head.architecture]
    digest = hashlib.sha256("\n".join(content).encode()).hexdigest()[:16]
    return DependencyPlan(tuple(copied), tuple(downloaded), f"head-{digest}")


def _missing(here: Mapping[str, Available], head: MachineFacts, roots: Sequence[str]) -> dict[str, SpecifierSet]:
    """Return what must be brought to the head, and what is required of each.

    What the head has goes with what else it has, whatever ours would require. Only a compiled distribution is brought
    as well when what it was compiled against is: an old scipy does not work with a new numpy.
    """
    specifiers: dict[str, SpecifierSet] = {}
    missing: set[str] = set()
    waiting = [Requirement(root) for root in roots]
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


async def pack_dependencies(
    plan: DependencyPlan, head_host: str, head: MachineFacts, wanted: Sequence[str] = ROOTS
) -> bytes:
    """Return the archive of the plan's folder.

    Raises MachineError, which names what is `wanted`, where pip fails, and where the head could not load it.
    """
    with TemporaryDirectory(prefix="ray-nni-") as scratch:
        unpacked = Path(scratch) / "unpacked"
        unpacked.mkdir()
        if plan.downloaded:
            await _download(plan.downloaded, Path(scratch), unpacked, head_host, head, wanted)
        files = [
            (file.relative_to(unpacked).as_posix(), file) for file in sorted(unpacked.rglob("*")) if file.is_file()
        ]
        files += [entry for name in plan.copied for entry in files_of(name)]
        if head.noexec and any(".so" in Path(name).suffixes for name, _ in files):
            raise MachineError(
                head_host,
                f"as the head it needs {', '.join(sorted(plan.names))}, and from the disk of {head.place} no library "
                "can be loaded (noexec).",
                f"On that machine: {_pip_install(head, wanted)}, or make ~/.ray-nni a link to a folder on "
                "another disk.",
            )
        _, archive = await asyncio.to_thread(pack, "head", files)
        return archive


async def _download(
    requirements: Sequence[str], scratch: Path, target: Path, head_host: str, head: MachineFacts, wanted: Sequence[str]
) -> None:
    wheels = scratch / "wheels"
    failure = await run_pip("download", head, head.python_version, *("--no-deps", "--dest", str(wheels), *requirements))
    if failure is not None:
        raise MachineError(
            head_host,
            f"as the head it needs {', '.join(requirements)}, and pip could not download that here ({failure}).",
            f"On that machine: {_pip_install(head, wanted)}",
        )
    for wheel in sorted(wheels.iterdir()):
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(target)


def _pip_install(head: MachineFacts, wanted: Sequence[str]) -> str:
    return " ".join([f"{head.python} -m pip install", *(f"'{requirement}'" for requirement in wanted)])
