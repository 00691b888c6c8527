"""Our own package as a folder on a machine: packed once, named after its content, sent where it is missing."""

from __future__ import annotations

import gzip
import hashlib
import io
import tarfile
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import IO

import ray_remote_nni
from ray_remote_nni.cluster.interpreter import call_python
from ray_remote_nni.cluster.transport import Transport

#: What only the client runs: it may change without a cluster having to start anew.
_CLIENT_ONLY = ("__main__", "cli/", "config/", "testing/", "views/")
_INSTALL = Path(__file__).parent / "remote/install.py"


@cache
def our_library() -> tuple[str, bytes]:
    """Return the folder's name and the compressed archive of the rooms of this package that machines need."""
    package = Path(ray_remote_nni.__file__).parent
    files = sorted(
        file for file in package.rglob("*.py") if not file.relative_to(package).as_posix().startswith(_CLIENT_ONLY)
    )
    return pack("ray-nni", ((f"ray_remote_nni/{file.relative_to(package).as_posix()}", file) for file in files))


def pack(prefix: str, files: Iterable[tuple[str, Path]]) -> tuple[str, bytes]:
    """Pack files under the given names; return PREFIX-DIGEST and the archive, both the same for the same content."""
    digest = hashlib.sha256()
    buffer = io.BytesIO()
    with (
        # The time of packing would be in it otherwise.
        gzip.GzipFile(fileobj=buffer, mode="wb", compresslevel=1, mtime=0) as compressed,
        tarfile.open(fileobj=compressed, mode="w|") as archive,
    ):
        for name, file in files:
            content = file.read_bytes()
            digest.update(f"{name}\0{len(content)}\0".encode())
            digest.update(content)
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            entry.mode = 0o755 if file.stat().st_mode & 0o100 else 0o644
            archive.addfile(entry, io.BytesIO(content))
    return f"{prefix}-{digest.hexdigest()[:16]}", buffer.getvalue()


def library_folder(home: str, name: str) -> str:
    """Return the folder on a machine, whose user has this home, into which `install` unpacks what is called `name`."""
    return f"{home}/.ray-nni/lib/{name}"


async def install(transport: Transport, python: str, name: str, archive: IO[bytes], kind: str = "lib") -> None:
    """Unpack an archive into ~/.ray-nni/KIND/NAME on a machine, whole or not at all; KIND is lib or code."""
    size = archive.seek(0, io.SEEK_END)
    archive.seek(0)
    await call_python(transport, python, _INSTALL, {"kind": kind, "name": name, "size": size}, archive)
