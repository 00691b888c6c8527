"""Where things are on the client."""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

_TRIES, _PAUSE_S = 20, 0.05


def client_root() -> Path:
    """Return ~/.ray-nni, made if it is not there, for nobody but the user."""
    root = Path.home() / ".ray-nni"
    root.mkdir(mode=0o700, parents=True, exist_ok=True)
    if root.stat().st_mode & 0o077:
        root.chmod(0o700)
    return root


def clusters_folder() -> Path:
    """Return the folder of the state files of the clusters that are up."""
    folder = client_root() / "clusters"
    folder.mkdir(mode=0o700, exist_ok=True)
    return folder


def experiments_folder() -> Path:
    """Return the folder that tells where each experiment's records are."""
    folder = client_root() / "experiments"
    folder.mkdir(mode=0o700, exist_ok=True)
    return folder


def private_folder(path: Path) -> Path:
    """Return a folder, made for nobody but the user, with all those above it that are not there; others stay as is."""
    for folder in (*reversed(path.parents), path):
        folder.mkdir(mode=0o700, exist_ok=True)
    return path


@contextmanager
def private_file(path: Path, *, durable: bool = True) -> Iterator[TextIO]:
    """Write a text file for nobody but the user, whole or not at all: it takes its place when the block ends well.

    Where it is not `durable`, a crash of the machine may cost it, and nobody waits for the disk.
    """
    descriptor, part = tempfile.mkstemp(dir=path.parent, prefix=f".{path.stem}-")
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            yield file
            if durable:
                file.flush()
                os.fsync(file.fileno())
        _replace(part, path)
    except BaseException:
        os.unlink(part)
        raise


def _replace(part: str, path: Path) -> None:
    # On Windows nobody can replace a file that somebody else is just reading.
    for _ in range(_TRIES if sys.platform == "win32" else 0):
        try:
            os.replace(part, path)
            return
        except PermissionError:
            time.sleep(_PAUSE_S)
    os.replace(part, path)
