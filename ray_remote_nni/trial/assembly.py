"""The folder of a code put together on a machine: of what is here already and of the rest, which is sent.

A content that another code has is not sent again, nor what came before an upload of the same code broke off.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import stat
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Protocol

from ray_remote_nni.trial.code import code_folder, codes_folder, has_code, last_used, locked, part_folder, prune_code
from ray_remote_nni.trial.digest import content_digest, file_digest
from ray_remote_nni.trial.layout import MANIFEST, PACK, Piece, joined, layout_of, manifest_in
from ray_remote_nni.trial.manifest import Entry, Manifest, read_manifest

#: How often a use is noted.
_NOTED_S = 3600.0
_COPY_BYTES = 2**20


class Reader(Protocol):
    """Bytes as they arrive."""

    def read(self, size: int, /) -> bytes | memoryview:
        """Return up to `size` bytes, none at the end."""


class Assembly:
    """Code that is put together in its part folder; the caller holds the lock of its name.

    What an earlier upload left there is kept as far as it is right. Of a large file that broke off this is known only
    when it is whole: until then it has a name of its own.
    """

    def __init__(self, manifest: Manifest) -> None:
        self._manifest = manifest
        self._layout = layout_of(manifest)
        self._part = part_folder(manifest.name)
        self._part.mkdir(mode=0o700, exist_ok=True)
        kept = _keep_whole(self._part / PACK, self._layout.packed)
        lacking = [entry for entry in self._layout.large if not _is_untouched(self._part / entry.content, entry)]
        wanted = [entry.content for entry in (*self._layout.packed[kept:], *lacking)]
        pieces = self._layout.pieces()
        #: Where each content comes from that is not in its place yet: other code on this machine, or from those who
        #: send it, of whose files no path is known.
        self._sources = {content: pieces[content] for content in wanted}
        for entry in lacking:
            begun = _begun_bytes(self._part / entry.content, entry.size)
            self._sources[entry.content] = Piece(entry.content, begun, entry.size - begun)
        self._sources |= _find_elsewhere(set(wanted))

    @property
    def missing(self) -> list[Piece]:
        """Return what nobody has here of the files of the code, in the order in which it is to be sent."""
        return list(joined(piece for piece in self._sources.values() if piece.size and _is_sent(piece)))

    def receive(self, contents: Reader) -> Path:
        """Make the folder of the code, whole or not at all; `contents` has what is missing.

        Raises EOFError where that ends too early, or is not what its digest says; what came is kept for next time.
        """
        # From now on it can be read along.
        new = self._part / f"{MANIFEST}.new"
        new.write_text(self._manifest.to_json(), encoding="utf-8")
        new.replace(self._part / MANIFEST)
        try:
            for piece in joined(self._sources[e.content] for e in self._layout.packed if e.content in self._sources):
                _append(self._part / PACK, piece, contents)
            for entry in self._layout.large:
                if entry.content in self._sources:
                    _bring_large(self._part / entry.content, entry, self._sources[entry.content], contents)
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                shutil.rmtree(self._part, ignore_errors=True)
            raise
        folder = code_folder(self._manifest.name)
        # Somebody took its manifest away.
        shutil.rmtree(folder, ignore_errors=True)
        self._part.rename(folder)
        prune_code(time.time())
        return folder


def ensure_code(name: str, fetch: Callable[[Sequence[Piece] | None], Iterator[bytes | memoryview]]) -> Path:
    """Return the code's folder; where it is missing, make it from what the head sends.

    `fetch(None)` yields the manifest's text, `fetch(pieces)` what these are of the code's files. Of several trials that
    start at once on a machine, one fetches and the others wait for it.
    """
    folder = code_folder(name)
    # Looked at once an hour in each worker: a trial's start is to cost no more than it must.
    if _is_here(name, int(time.time() / _NOTED_S)) and folder.is_dir():
        return folder
    _is_here.cache_clear()
    with locked(name):
        if not has_code(name):
            assembly = Assembly(read_manifest(b"".join(fetch(None))))
            missing = assembly.missing
            assembly.receive(Parts(fetch(missing) if missing else iter(())))
    return folder


@lru_cache(maxsize=8)
def _is_here(name: str, _hour: int) -> bool:
    return has_code(name)


def _is_sent(piece: Piece) -> bool:
    return not os.path.isabs(piece.file)


def _keep_whole(pack: Path, contents: Iterable[Entry]) -> int:
    """Cut the pack after the last of the contents up to which all are right; return how many those are."""
    kept = size = 0
    with pack.open("a+b") as file:
        file.seek(0)
        for entry in contents:
            if content_digest(file.read(entry.size)) != entry.content:
                break
            kept += 1
            size += entry.size
        file.truncate(size)
    return kept


def _begun_bytes(path: Path, size: int) -> int:
    """Return how much there is of a large file that broke off, or is whole with another time, which is put aside."""
    half = _half(path)
    with contextlib.suppress(FileNotFoundError):
        path.replace(half)
    try:
        found = half.stat()
        if found.st_size <= size and found.st_nlink == 1:
            # One that is whole is read-only.
            half.chmod(0o600)
            return found.st_size
        # Too long, or other code's too.
        half.unlink()
    except FileNotFoundError:
        pass
    return 0


def _half(path: Path) -> Path:
    return path.with_name(f"{path.name}.half")


def _find_elsewhere(digests: set[str]) -> dict[str, Piece]:
    """Return where other codes on this machine have these contents, as they were when they came.

    Folders that are half made do not count: others may be in the making.
    """
    found: dict[str, Piece] = {}
    folders = [folder for folder in codes_folder().iterdir() if "." not in folder.name] if digests else []
    for folder in sorted(folders, key=last_used, reverse=True):
        if lacking := digests - found.keys():
            with contextlib.suppress(OSError, ValueError):
                found |= _find_in(folder, lacking)
    return found


def _find_in(folder: Path, digests: set[str]) -> dict[str, Piece]:
    manifest = manifest_in(folder)
    # Most codes have nothing that is looked for, and need no layout to tell.
    if digests.isdisjoint(entry.content for entry in manifest.entries):
        return {}
    found: dict[str, Piece] = {}
    layout = layout_of(manifest)
    pieces = layout.pieces()
    with (folder / PACK).open("rb", buffering=_COPY_BYTES) as pack:
        for entry in layout.contents:
            if entry.content in digests:
                piece = pieces[entry.content]
                if piece.file == PACK:
                    pack.seek(piece.start)
                    right = content_digest(pack.read(piece.size)) == entry.content
                else:
                    right = _is_untouched(folder / piece.file, entry)
                if right:
                    found[entry.content] = piece._replace(file=f"{folder}/{piece.file}")
    return found


def _is_untouched(path: Path, entry: Entry) -> bool:
    try:
        now = path.lstat()
    except OSError:
        return False
    return stat.S_ISREG(now.st_mode) and (now.st_size, now.st_mtime_ns) == (entry.size, entry.mtime_ns)


def _bring_large(path: Path, entry: Entry, piece: Piece, contents: Reader) -> None:
    """Make a large file, which is read-only, since trials may get links to it."""
    half, mode = _half(path), entry.mode & ~0o222
    if not _is_sent(piece):
        half.unlink(missing_ok=True)
        there = os.stat(piece.file)
        if (there.st_size, there.st_mtime_ns, stat.S_IMODE(there.st_mode)) == (entry.size, entry.mtime_ns, mode):
            os.link(piece.file, path)
            return
    begun = half.exists()
    growing = half if begun else path
    _append(growing, piece, contents)
    if begun and file_digest(str(half), entry.size) != entry.content:
        half.unlink()
        raise EOFError(f"{entry.path} is not what it was when its sending broke off; try again")
    growing.chmod(mode)
    # What bears its time is whole.
    os.utime(growing, ns=(entry.mtime_ns, entry.mtime_ns))
    growing.replace(path)


def _append(path: Path, piece: Piece, contents: Reader) -> None:
    with contextlib.ExitStack() as stack:
        writing = stack.enter_context(path.open("ab", buffering=0))
        if not _is_sent(piece):
            reading = stack.enter_context(open(piece.file, "rb", buffering=0))
            reading.seek(piece.start)
            contents = reading
        left = piece.size
        while left:
            part = contents.read(min(left, _COPY_BYTES))
            if not part:
                raise EOFError("the code ended too early")
            view = memoryview(part)
            while view:
                view = view[writing.write(view) :]
            left -= len(part)


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
