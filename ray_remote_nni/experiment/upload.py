"""The trial code directory on its way to the head: named after its content, sent only where it is missing."""

from __future__ import annotations

import hashlib
import os
import stat
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from ray_remote_nni.errors import UsageError

#: What no trial needs, wherever it lies; a trialCodeDirectory may be somebody's home.
EXCLUDED_NAMES = frozenset(
    {".git", ".hg", ".svn", "__pycache__", ".venv", ".mypy_cache", ".pytest_cache", ".ipynb_checkpoints"}
    | {".ssh", ".gnupg", ".ray-nni"}
)


def code_files(directory: Path, excluded: frozenset[Path] = frozenset()) -> Iterator[tuple[str, Path]]:
    """Yield name and path of everything to upload, folders included, in a fixed order.

    `excluded` are paths that stay here, with all that is below them: the configuration, which may hold passwords, and
    the results of experiments. Virtual environments are known by their pyvenv.cfg.
    """
    for parent, folders, files in os.walk(directory):
        here = Path(parent)
        folders[:] = sorted(
            name
            for name in folders
            if name not in EXCLUDED_NAMES and here / name not in excluded and not (here / name / "pyvenv.cfg").exists()
        )
        for name in sorted([*folders, *files]):
            path = here / name
            if name not in EXCLUDED_NAMES and path not in excluded:
                yield str(path.relative_to(directory)), path


def digest_code(directory: Path, excluded: frozenset[Path] = frozenset()) -> str:
    """Return the name of the code: the same for the same names, modes and contents. Raises UsageError."""
    digest = hashlib.sha256()
    try:
        for name, path in code_files(directory, excluded):
            mode = path.lstat().st_mode
            digest.update(f"{name}\0{stat.S_IFMT(mode)} {mode & 0o111}\0".encode(errors="surrogateescape"))
            if stat.S_ISLNK(mode):
                digest.update(os.fsencode(os.readlink(path)))
            elif stat.S_ISREG(mode):
                digest.update(f"{path.stat().st_size}\0".encode())
                _update(digest, path)
    except OSError as error:
        raise UsageError(f"trialCodeDirectory: {error.filename} cannot be read: {error.strerror}.") from error
    return digest.hexdigest()[:16]


def pack_code(directory: Path, excluded: frozenset[Path] = frozenset()) -> IO[bytes]:
    """Return a compressed archive of the code, as a file on disk that is gone when it is closed. Raises UsageError."""
    spool = tempfile.TemporaryFile()  # noqa: SIM115 - the caller closes it
    try:
        with tarfile.open(fileobj=spool, mode="w:gz", compresslevel=1) as archive:
            for name, path in code_files(directory, excluded):
                archive.add(path, arcname=name, recursive=False, filter=_nobodys)
    except OSError as error:
        spool.close()
        where = error.filename or directory
        raise UsageError(
            f"trialCodeDirectory: {where} changed while it was read: {error.strerror or error}."
        ) from error
    spool.seek(0)
    return spool


def _nobodys(entry: tarfile.TarInfo) -> tarfile.TarInfo | None:
    if not (entry.isfile() or entry.isdir() or entry.issym() or entry.islnk()):
        return None
    entry.uid = entry.gid = 0
    entry.uname = entry.gname = ""
    return entry


def _update(digest: hashlib._Hash, path: Path) -> None:
    with path.open("rb") as file:
        while part := file.read(2**20):
            digest.update(part)
