"""The folder of a code put together on a machine: of what is here already and of the rest, which is sent.

A file that another experiment's code has is not sent again, nor one that came whole before an upload of the same code
broke off; of a large one that was on its way then only the rest is sent.
"""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import shutil
import stat
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import Protocol

from ray_remote_nni.trial.arriving import announce
from ray_remote_nni.trial.code import code_folder, has_code, locked, manifest_file, prune_code, remove
from ray_remote_nni.trial.digest import BINARY, file_digest
from ray_remote_nni.trial.manifest import Entry, Manifest, read_manifest
from ray_remote_nni.trial.working_copy import large_files
from ray_remote_nni.trial.workspace import machine_root

#: How often a use is noted.
_NOTED_S = 3600.0
_COPY_BYTES = 2**20
#: A smaller piece of a file that broke off is not worth a thought.
_BEGUN_BYTES = 2**20


class Reader(Protocol):
    """Bytes as they arrive."""

    def read(self, size: int, /) -> bytes | memoryview:
        """Return up to `size` bytes, none at the end."""


def missing_files(manifest: Manifest) -> list[str]:
    """Return the digests of the files that no code on this machine has."""
    here = _files_here(set(manifest.files()), manifest.name)
    return [digest for digest in manifest.files() if digest not in here]


def begun_files(manifest: Manifest, missing: Sequence[str]) -> dict[str, int]:
    """Return how many bytes there are of each of these files that was on its way when an upload broke off."""
    return {digest: os.path.getsize(path) for digest, path in _begun(manifest, missing).items()}


def receive_code(
    manifest: Manifest, missing: Sequence[str], contents: Reader, begun: Mapping[str, int] = MappingProxyType({})
) -> Path:
    """Make the folder of the code, whole or not at all; `contents` has the bytes of the missing files, one by one.

    Of those in `begun` it has only what comes after so many bytes. The caller holds the lock of the code's name. Raises
    EOFError where the contents end too early, or are not what their digest says; what is whole is kept for next time.
    """
    folder = code_folder(manifest.name)
    # Whoever made them is gone: it had the lock.
    before = [left for left in folder.parent.glob(f"{folder.name}.part-*") if left.suffix != ".manifest"]
    halves = _begun(manifest, list(begun))
    part = folder.with_name(f"{folder.name}.part-{secrets.token_hex(4)}")
    part.mkdir(mode=0o700)
    # Written first: it tells whoever goes on what is in the folder.
    manifest_file(part).write_text(manifest.to_json(), encoding="utf-8")
    announce(manifest.name, part, halves)
    try:
        _build(part, manifest, set(missing), contents, halves)
    except EOFError:
        # All that came earlier is in the new one.
        remove(before)
        raise
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            remove([*before, part])
        raise
    with contextlib.suppress(FileNotFoundError):
        # Somebody took its manifest away, or it was there before there were any.
        folder.rename(part.with_name(f"{part.name}-old"))
    part.rename(folder)
    manifest_file(part).replace(manifest_file(folder))
    remove([*before, part.with_name(f"{part.name}-old")])
    prune_code(time.time())
    return folder


def ensure_code(name: str, fetch: Callable[[Sequence[str] | None], Iterator[bytes | memoryview]]) -> Path:
    """Return the code's folder; where it is missing, make it from what the head sends.

    `fetch(None)` yields the manifest's text, `fetch(digests)` the contents of those files. Of several trials that
    start at once on a machine, one fetches and the others wait for it.
    """
    folder = code_folder(name)
    # Looked at once an hour in each worker: a trial's start is to cost no more than it must.
    if _is_here(str(folder), int(time.time() / _NOTED_S)) and folder.is_dir():
        return folder
    _is_here.cache_clear()
    with locked(name):
        if not has_code(name):
            manifest = read_manifest(b"".join(fetch(None)))
            missing = missing_files(manifest)
            receive_code(manifest, missing, Parts(fetch(missing) if missing else iter(())))
    return folder


@lru_cache(maxsize=8)
def _is_here(folder: str, _hour: int) -> bool:
    return has_code(Path(folder).name)


def _files_here(digests: set[str], name: str) -> dict[str, str]:
    """Return where on this machine there is a file with each of these contents, as it was when it came.

    Of the folders that are half made only those of the code `name` count: others may be in the making.
    """
    found: dict[str, str] = {}
    for written in (machine_root() / "code").glob("*.manifest") if digests else ():
        folder = written.with_suffix("")
        if ".part-" in folder.name and not folder.name.startswith(f"{name}.part-"):
            continue
        with contextlib.suppress(OSError, ValueError):
            for digest, entry in read_manifest(written.read_bytes()).files().items():
                if digest in digests and digest not in found:
                    path = f"{folder}/{entry.path}"
                    if _is_untouched(path, entry):
                        found[digest] = path
    return found


def _begun(manifest: Manifest, digests: Sequence[str]) -> dict[str, str]:
    """Return where the largest piece of each of these files is that broke off."""
    files = manifest.files()
    folder = code_folder(manifest.name)
    found: dict[str, str] = {}
    for part in folder.parent.glob(f"{folder.name}.part-*"):
        for digest in digests:
            path = f"{part}/{files[digest].path}"
            with contextlib.suppress(OSError):
                now = os.lstat(path)
                largest = os.path.getsize(found[digest]) if digest in found else _BEGUN_BYTES
                if stat.S_ISREG(now.st_mode) and largest < now.st_size <= files[digest].size:
                    found[digest] = path
    return found


def _is_untouched(path: str, entry: Entry) -> bool:
    try:
        now = os.lstat(path)
    except OSError:
        return False
    return now.st_size == entry.size and now.st_mtime_ns == entry.mtime_ns


def _build(part: Path, manifest: Manifest, missing: set[str], contents: Reader, halves: Mapping[str, str]) -> None:
    here = _files_here(set(manifest.files()) - missing, manifest.name)
    root = str(part)
    large = large_files(manifest.entries)
    for entry in manifest.entries:
        path = f"{root}/{entry.path}"
        if entry.kind == "folder":
            os.mkdir(path, 0o700)
        elif entry.kind == "link":
            os.symlink(entry.content, path)
        else:
            source = here.get(entry.content)
            mode = entry.mode & ~0o222 if entry.path in large else entry.mode
            if source is None and entry.content not in missing:
                raise EOFError(f"{entry.path} went away while its code was put together; try again")
            if source is None:
                missing.discard(entry.content)
                _write(path, entry, mode, contents, halves.get(entry.content))
                here[entry.content] = path
                continue
            if entry.path in large and os.lstat(source).st_mtime_ns == entry.mtime_ns:
                os.link(source, path)
            else:
                shutil.copyfile(source, path)
            os.chmod(path, mode)
            os.utime(path, ns=(entry.mtime_ns, entry.mtime_ns))
    for entry in reversed(manifest.entries):
        if entry.kind == "folder":
            os.chmod(f"{root}/{entry.path}", entry.mode | 0o700)


def _write(path: str, entry: Entry, mode: int, contents: Reader, half: str | None) -> None:
    """Write what is sent of a file; `half` is where what came of it earlier is."""
    left = entry.size
    if half is not None:
        os.rename(half, path)
        left -= os.path.getsize(path)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | BINARY, 0o600)
    try:
        while left:
            part = contents.read(min(left, _COPY_BYTES))
            if not part:
                raise EOFError(f"the code ended within {entry.path}")
            view = memoryview(part)
            while view:
                view = view[os.write(descriptor, view) :]
            left -= len(part)
        if half is not None and file_digest(path, entry.size) != entry.content:
            os.unlink(path)
            raise EOFError(f"{entry.path} is not what it was when its sending broke off; try again")
        # In this order: what bears its time is whole.
        if sys.platform != "win32":
            os.utime(descriptor, ns=(entry.mtime_ns, entry.mtime_ns))
            os.fchmod(descriptor, mode)
    finally:
        os.close(descriptor)
    if sys.platform == "win32":
        os.utime(path, ns=(entry.mtime_ns, entry.mtime_ns))
        os.chmod(path, mode)


class Parts:
    """An iterator of parts as a reader."""

    def __init__(self, parts: Iterator[bytes | memoryview]) -> None:
        self._parts = parts
        self._rest = memoryview(b"")

    def read(self, size: int, /) -> memoryview:
        """Return up to `size` bytes, good until the next call; none at the end."""
        if not self._rest:
            self._rest = memoryview(next(self._parts, b""))
        part, self._rest = self._rest[:size], self._rest[size:]
        return part
