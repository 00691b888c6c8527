"""An experiment's code on a machine: a folder named after its content, fetched from the head where it is missing."""

from __future__ import annotations

import fcntl
import secrets
import shutil
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from ray_remote_nni.trial.workspace import machine_root

_CHUNK_BYTES = 4 * 1024 * 1024


def code_folder(name: str) -> Path:
    """Return where the code of this name is, or will be, on this machine."""
    return machine_root() / "code" / name


def ensure_code(name: str, fetch: Callable[[], Iterator[bytes]]) -> Path:
    """Return the code's folder; where it is missing, make it from the tar archive that `fetch` yields in chunks.

    Of several trials that start at once on a machine, one fetches and the others wait for it.
    """
    folder = code_folder(name)
    if folder.is_dir():
        return folder
    folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with (folder.parent / f".{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.is_dir():
            _unpack(folder, fetch())
    return folder


def read_code(name: str) -> Iterator[bytes]:
    """Yield the code of this machine as a tar archive, in chunks."""
    with tempfile.TemporaryFile() as spool:
        with tarfile.open(fileobj=spool, mode="w") as archive:
            archive.add(code_folder(name), arcname=".")
        spool.seek(0)
        while chunk := spool.read(_CHUNK_BYTES):
            yield chunk


def _unpack(folder: Path, chunks: Iterator[bytes]) -> None:
    part = folder.with_name(f"{folder.name}.part-{secrets.token_hex(4)}")
    try:
        with tempfile.TemporaryFile() as spool:
            for chunk in chunks:
                spool.write(chunk)
            spool.seek(0)
            with tarfile.open(fileobj=spool) as archive:
                if hasattr(tarfile, "tar_filter"):
                    archive.extraction_filter = tarfile.tar_filter
                archive.extractall(part)
        part.rename(folder)
    finally:
        shutil.rmtree(part, ignore_errors=True)
