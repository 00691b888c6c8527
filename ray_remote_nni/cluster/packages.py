"""The packages of a requirement for a machine's Python, as one archive: copied from here, else downloaded."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib import metadata
from pathlib import Path
from tempfile import TemporaryDirectory

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from ray_remote_nni.cluster.distributions import available_here, files_of, manylinux_platforms, needed_by
from ray_remote_nni.cluster.facts import MachineFacts
from ray_remote_nni.cluster.library import pack
from ray_remote_nni.cluster.pip import run_pip
from ray_remote_nni.cluster.pythons import FoundPython
from ray_remote_nni.errors import MachineError


@dataclass(frozen=True)
class Packages:
    """What is required, and the machine's Python that it is for."""

    roots: tuple[str, ...]
    python: FoundPython
    machine: MachineFacts

    @property
    def key(self) -> tuple[str, ...]:
        """Return what makes the packages the same for two machines."""
        return (*self.roots, ".".join(map(str, self.python.version[:2])), *manylinux_platforms(self.machine)[:1])

    async def pack(self) -> tuple[str, bytes]:
        """Return the archive's name and the archive. Raises MachineError where pip cannot get the packages."""
        names = self._copied()
        if names is not None:
            return await asyncio.to_thread(pack, "site", [entry for name in names for entry in files_of(name)])
        with TemporaryDirectory(prefix="ray-nni-") as scratch:
            site = Path(scratch) / "site"
            await self._download(site)
            files = [(file.relative_to(site).as_posix(), file) for file in sorted(site.rglob("*")) if file.is_file()]
            return await asyncio.to_thread(pack, "site", files)

    def _copied(self) -> list[str] | None:
        """Return the distributions here, if all of them can be used there as they are."""
        target = self._target
        for root in map(Requirement, self.roots):
            try:
                if not root.specifier.contains(metadata.version(root.name), prereleases=True):
                    return None
            except metadata.PackageNotFoundError:
                return None
        here = available_here(self.roots)
        return sorted(here) if all(one.fits(target) for one in here.values()) else None

    @property
    def _target(self) -> MachineFacts:
        return replace(self.machine, python_version=self.python.version)

    async def _download(self, site: Path) -> None:
        """Have pip install for the machine's Python, into a folder here.

        pip reads the markers of requirements as if they were for the Python that it runs in, so what they add for the
        machine's is looked up in what arrived.
        """
        await self._pip(site, self.roots)
        while missing := self._missing(site):
            await self._pip(site, missing, "--no-deps")

    def _missing(self, site: Path) -> list[str]:
        version = ".".join(map(str, self.python.version))
        markers = {
            "python_version": ".".join(map(str, self.python.version[:2])),
            "python_full_version": version,
            "implementation_version": version,
            "platform_machine": self.machine.architecture,
            "platform_system": "Linux",
            "sys_platform": "linux",
            "os_name": "posix",
        }
        found = list(metadata.distributions(path=[str(site)]))
        names = {canonicalize_name(distribution.metadata["Name"]) for distribution in found}
        extras = {canonicalize_name(root.name): frozenset(root.extras) for root in map(Requirement, self.roots)}
        missing = {}
        for distribution in found:
            wanted = extras.get(canonicalize_name(distribution.metadata["Name"]), frozenset())
            for requirement in needed_by(distribution, wanted, markers):
                if canonicalize_name(requirement.name) not in names:
                    missing[canonicalize_name(requirement.name)] = f"{requirement.name}{requirement.specifier}"
        return sorted(missing.values())

    async def _pip(self, site: Path, requirements: Sequence[str], *options: str) -> None:
        failure = await run_pip(
            "install",
            self.machine,
            self.python.version,
            *("--no-input", "--no-compile", "--target", str(site), *options, *requirements),
        )
        if failure is not None:
            raise MachineError(
                self.machine.hostname,
                f"it needs {', '.join(requirements)} for Python {'.'.join(map(str, self.python.version[:2]))}, which "
                f"neither its own package index has nor this machine's ({failure}).",
                "Give one of the two a way to a package index, or name in `pythonPath` a Python that has Ray.",
            )
