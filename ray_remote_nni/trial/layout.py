"""Where the contents of a code lie in its folder on a machine: small ones together in a pack, each large one by itself.

Small ones are those of which each trial gets a copy anyway; a file for each would cost more than what is in it.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import accumulate
from operator import attrgetter
from pathlib import Path
from typing import NamedTuple

from ray_remote_nni.trial.manifest import Entry, Manifest, read_manifest

#: The files in a code's folder with its manifest, and with all small contents. A large one's has its digest as name.
MANIFEST, PACK = "manifest", "pack"
#: Contents up to this size are copied anew for each trial, the smallest first, up to so many bytes together.
_SMALL_BYTES, _COPIED_BYTES = 2**20, 32 * 2**20


class Piece(NamedTuple):
    """So many bytes of a file, from `start` on."""

    file: str
    start: int
    size: int


@dataclass(frozen=True)
class Layout:
    """The contents of a code in order, a file with each: the same for all manifests of the code's name."""

    packed: tuple[Entry, ...]
    large: tuple[Entry, ...]

    @property
    def contents(self) -> tuple[Entry, ...]:
        """All of them."""
        return self.packed + self.large

    def pieces(self) -> dict[str, Piece]:
        """Return where each content lies, by its digest."""
        starts = accumulate((entry.size for entry in self.packed), initial=0)
        packed = {e.content: Piece(PACK, start, e.size) for e, start in zip(self.packed, starts, strict=False)}
        return packed | {entry.content: Piece(entry.content, 0, entry.size) for entry in self.large}

    def within(self, pieces: Iterable[Piece]) -> Iterator[tuple[Entry, int]]:
        """Yield what pieces consist of: contents, each with where in it that begins. Only a large one may be cut."""
        starts = [0, *accumulate(entry.size for entry in self.packed)]
        large = {entry.content: entry for entry in self.large}
        for file, start, size in pieces:
            if file != PACK:
                yield large[file], start
                continue
            end = start + size
            for number in range(bisect_left(starts, start), bisect_left(starts, end)):
                if self.packed[number].size:
                    yield self.packed[number], 0


def manifest_in(folder: Path) -> Manifest:
    """Return the manifest in a folder of code. Raises OSError and ValueError."""
    return read_manifest((folder / MANIFEST).read_bytes())


def layout_of(manifest: Manifest) -> Layout:
    """Return the layout of a code."""
    files = sorted((entry for entry in manifest.entries if entry.kind == "file"), key=attrgetter("path"))
    copies = Counter(entry.content for entry in files)
    contents: dict[str, Entry] = {}
    for entry in files:
        contents.setdefault(entry.content, entry)
    large, together = set(), 0
    for content, entry in sorted(contents.items(), key=lambda item: (item[1].size, item[0])):
        together += entry.size * copies[content]
        if entry.size > _SMALL_BYTES or together > _COPIED_BYTES:
            large.add(content)
    return Layout(
        packed=tuple(entry for entry in contents.values() if entry.content not in large),
        large=tuple(entry for entry in contents.values() if entry.content in large),
    )


def joined(pieces: Iterable[Piece]) -> Iterator[Piece]:
    """Yield the same bytes in as few pieces as possible."""
    last: Piece | None = None
    for piece in pieces:
        if last is not None and piece.file == last.file and piece.start == last.start + last.size:
            last = Piece(last.file, last.start, last.size + piece.size)
            continue
        if last is not None:
            yield last
        last = piece
    if last is not None:
        yield last
