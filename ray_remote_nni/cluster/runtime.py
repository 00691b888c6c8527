"""Private runtimes on the machines: made there from their own package index, else of packages that are sent."""

from __future__ import annotations

import asyncio
import io
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from ray_remote_nni.cluster.distributions import files_of
from ray_remote_nni.cluster.facts import MachineFacts
from ray_remote_nni.cluster.interpreter import call_python
from ray_remote_nni.cluster.library import install, library_folder, our_library, pack
from ray_remote_nni.cluster.module import json_object, run_module
from ray_remote_nni.cluster.packages import Packages
from ray_remote_nni.cluster.pythons import SOURCE, Choice, FoundPython, Prospects
from ray_remote_nni.cluster.transport import Transport
from ray_remote_nni.errors import MachineError
from ray_remote_nni.words import last_line

_MODULE = "ray_remote_nni.cluster.remote.make_runtime"
#: What a runtime takes on disk, and once more what it is made of while it is made.
NEEDED_BYTES = 900 * 1024 * 1024
_PROGRESS_S = 10.0


async def read_prospects(transport: Transport, known: MachineFacts, python_path: str | None) -> Prospects:
    """Ask a machine for its Pythons and private runtimes; on Windows none is made, and its Python is all there is."""
    if known.system != "Linux":
        return Prospects((FoundPython(known.python, known.python_version),), {})
    asked = {"python_path": python_path}
    return Prospects.parse(await call_python(transport, known.python, SOURCE, asked, io.BytesIO()))


def no_place(host: str, known: MachineFacts) -> MachineError | None:
    """Return why no private runtime can be made on a machine; None where it can."""
    if known.noexec:
        return MachineError(
            host,
            f"its Python has no Ray, and from the disk of {known.place} no program may be started (noexec), so that a "
            "Python with Ray cannot be made there, nor with pip in your home.",
            "Install Ray into a Python on another disk, and name its folder in `pythonPath`; or make ~/.ray-nni a link "
            "to a folder on such a disk.",
        )
    if known.free_bytes < NEEDED_BYTES:
        return MachineError(
            host,
            f"a Python with Ray needs {NEEDED_BYTES // 1024**2} MB in {known.place}, and only "
            f"{known.free_bytes // 1024**2} MB are free.",
            "Make room, or name in `pythonPath` the folder of a Python that has Ray.",
        )
    return None


@dataclass
class RuntimeMaker:
    """Makes what was chosen; of packages that are sent there is one archive for machines that are alike."""

    report: Callable[[str, str], None]
    _archives: dict[tuple[str, ...], asyncio.Future[tuple[str, bytes]]] = field(default_factory=dict)

    async def make(self, transport: Transport, known: MachineFacts, choice: Choice) -> None:
        """Make the runtime of a choice. Raises MachineError."""
        assert choice.made_of is not None
        host = transport.host
        version = ".".join(map(str, choice.common.minor))
        if (problem := no_place(host, known)) is not None:
            raise problem
        began = time.monotonic()
        self.report(host, f"making a private Python {version} with Ray {choice.common.ray}, once; it takes a minute")
        work = _Work(transport, known, choice, self.report)
        why = await work.from_index()
        if why is not None:
            self.report(host, f"{why}: the packages are sent from here")
            why = await work.from_packages(*await self._archive(host, known, choice))
        if why is not None:
            raise MachineError(
                host,
                f"no private Python with Ray could be made there: {why}.",
                f"Install it yourself: {choice.made_of.path} -m pip install 'ray[default]=={choice.common.ray}'",
            )
        self.report(host, f"private Python {version} ready after {time.monotonic() - began:.1f} s")

    async def _archive(self, host: str, known: MachineFacts, choice: Choice) -> tuple[str, bytes]:
        assert choice.made_of is not None
        packages = Packages((f"ray[default]=={choice.common.ray}",), choice.made_of, known)
        if packages.key not in self._archives:
            self._archives[packages.key] = asyncio.ensure_future(packages.pack())
        try:
            return await asyncio.shield(self._archives[packages.key])
        except MachineError as error:
            raise MachineError(host, error.what, error.remedy) from error


@dataclass(frozen=True)
class _Work:
    transport: Transport
    known: MachineFacts
    choice: Choice
    report: Callable[[str, str], None]

    async def from_index(self) -> str | None:
        """Make it with pip on the machine; return why that did not work."""
        name, archive = await asyncio.to_thread(pack, "pip", files_of("pip"))
        await self._send(name, archive)
        return await self._run(pip=f"{library_folder(self.known.home, name)}/pip", site=None)

    async def from_packages(self, name: str, archive: bytes) -> str | None:
        """Make it of packages that are sent; return why that did not work."""
        await self._send(name, archive)
        return await self._run(pip=None, site=library_folder(self.known.home, name))

    @property
    def _python(self) -> str:
        assert self.choice.made_of is not None
        return self.choice.made_of.path

    async def _send(self, name: str, archive: bytes) -> None:
        if name not in self.known.installed:
            shown: Any = _Shown(archive, lambda what: self.report(self.transport.host, what))
            await install(self.transport, self._python, name, shown)

    async def _run(self, *, pip: str | None, site: str | None) -> str | None:
        common = self.choice.common
        asked = {"name": common.runtime_name(self.known.architecture), "ray": common.ray, "pip": pip, "site": site}
        library, archive = our_library()
        await self._send(library, archive)
        folder = library_folder(self.known.home, library)
        said = ""
        async with run_module(self.transport, self._python, folder, _MODULE) as stream:
            # Its standard input stays open: at the end of it, ours say, what is half made goes.
            await stream.write(json.dumps(asked).encode() + b"\n")
            async for line in stream.lines():
                answer = json_object(line) or {}
                if "said" in answer:
                    self.report(self.transport.host, answer["said"])
                if "runtime" in answer:
                    return None
                said = answer.get("failed", said)
            if not said:
                _, errors = await stream.wait()
                said = last_line(errors, "it gave no answer")
        return said


class _Shown(io.BytesIO):
    """An archive on its way, large ones with word of how far they are."""

    def __init__(self, archive: bytes, say: Callable[[str], None]) -> None:
        super().__init__(archive)
        self._size = len(archive)
        self._say = say
        self._said = time.monotonic()

    def read(self, size: int | None = -1) -> bytes:
        part = super().read(size)
        if time.monotonic() - self._said > _PROGRESS_S:
            self._said = time.monotonic()
            self._say(f"{self.tell() / 1e6:.0f} of {self._size / 1e6:.0f} MB sent")
        return part
