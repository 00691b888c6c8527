"""Code as the head sends it, and as a machine gets it: all of it, or as much as arrives."""

from __future__ import annotations

import hashlib
import io
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from ray_remote_nni.trial.assembly import Assembly
from ray_remote_nni.trial.code import code_folder, has_code, locked
from ray_remote_nni.trial.layout import Piece, layout_of
from ray_remote_nni.trial.manifest import Entry, Manifest
from ray_remote_nni.trial.outgoing import OutgoingCode, in_chunks
from ray_remote_nni.trial.working_copy import make_working_copy

Fetch = Callable[[Sequence[Piece] | None], Iterator[bytes]]
COPIES = iter(range(10**6))


class Bytes:
    """A reader that gives a few bytes at a time, as a network does."""

    def __init__(self, data: bytes) -> None:
        self._data = io.BytesIO(data)
        # Few where there are few, so that each is cut; a large file's would take for ever so.
        self._most = 5 if len(data) < 2**16 else 2**14 + 1

    def read(self, size: int, /) -> bytes:
        return self._data.read(min(size, self._most))


def manifest_of(files: dict[str, bytes], mtime_ns: int = 1_000_000_000) -> Manifest:
    entries = [
        Entry(path, "file", 0o644, len(data), mtime_ns, hashlib.sha256(data).hexdigest())
        for path, data in files.items()
    ]
    return Manifest((Entry("pkg", "folder", 0o755), *entries, Entry("link", "link", content="train.py")))


#: The code's bytes are "first", "second", "import pkg".
FILES = {"pkg/a": b"first", "pkg/b": b"second", "train.py": b"import pkg"}
BIG = os.urandom(3 * 2**20)


def bytes_of(files: dict[str, bytes], pieces: Sequence[Piece]) -> bytes:
    """What these pieces of the code's files are."""
    layout = layout_of(manifest_of(files))
    content = {"pack": b"".join(files[entry.path] for entry in layout.packed)}
    content |= {entry.content: files[entry.path] for entry in layout.large}
    return b"".join(content[file][start : start + size] for file, start, size in pieces)


def put(files: dict[str, bytes] = FILES, mtime_ns: int = 1_000_000_000) -> str:
    """Bring code to this machine; return its name."""
    manifest = manifest_of(files, mtime_ns)
    with locked(manifest.name):
        making = Assembly(manifest)
        making.receive(Bytes(bytes_of(files, making.missing)))
    return manifest.name


def missing(files: dict[str, bytes]) -> list[Piece]:
    """What this machine would be sent of code."""
    manifest = manifest_of(files)
    with locked(manifest.name):
        return Assembly(manifest).missing


def begin(files: dict[str, bytes], sent: bytes) -> None:
    """Bring code to this machine, of which so much is sent before it breaks off."""
    manifest = manifest_of(files)
    with locked(manifest.name), pytest.raises(EOFError, match="ended too early"):
        Assembly(manifest).receive(Bytes(sent))
    assert not has_code(manifest.name)


def files_in(name: str) -> dict[str, bytes]:
    """The files that a trial with this code has."""
    target = Path(os.environ["HOME"]) / f"copy{next(COPIES)}"
    make_working_copy(code_folder(name), str(target))
    return {
        str(path.relative_to(target)): path.read_bytes()
        for path in target.rglob("*")
        if path.is_file() and not path.is_symlink()
    }


def head_sends(name: str) -> Fetch:
    """What the head would send of its code, as this machine asks for it; the head's home is where we are now."""
    head = os.environ["HOME"]

    def fetch(pieces: Sequence[Piece] | None) -> Iterator[bytes]:
        here, os.environ["HOME"] = os.environ["HOME"], head
        try:
            code = OutgoingCode(name)
            if pieces is None:
                return iter([code.manifest])
            return iter(list(in_chunks(code.pieces(pieces), 2**20)))
        finally:
            os.environ["HOME"] = here

    return fetch


def asking(fetch: Fetch) -> tuple[Fetch, list[Sequence[Piece] | None]]:
    """`fetch`, and what it is asked for."""
    asked: list[Sequence[Piece] | None] = []

    def ask(pieces: Sequence[Piece] | None) -> Iterator[bytes]:
        asked.append(pieces)
        return fetch(pieces)

    return ask, asked
