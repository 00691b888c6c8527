"""What an experiment's code consists of: every path with its mode and the digest of its content, and a name for all."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from itertools import starmap
from typing import Literal, NamedTuple

Kind = Literal["file", "folder", "link"]


class Entry(NamedTuple):
    """One path, relative to the code's folder.

    `mode` holds the permission bits, `size` is in bytes and `mtime_ns` since the epoch. `content` is the digest of a
    file, the target of a link, and nothing for a folder.
    """

    path: str
    kind: Kind
    mode: int = 0o755
    size: int = 0
    mtime_ns: int = 0
    content: str = ""


@dataclass(frozen=True)
class Manifest:
    """All entries, each folder before what is in it."""

    entries: tuple[Entry, ...]

    @cached_property
    def name(self) -> str:
        """Return the name of the code: the same for the same paths, contents and executable bits.

        What only the owner may do, and when a file was written, changes nothing for a trial.
        """
        digest = hashlib.sha256()
        for entry in sorted(self.entries, key=lambda entry: entry.path):
            executable = entry.mode & 0o111 if entry.kind == "file" else 0
            line = f"{entry.path}\0{entry.kind} {executable}\0{entry.content}\0"
            digest.update(line.encode(errors="surrogateescape"))
        return digest.hexdigest()[:16]

    def to_json(self) -> str:
        """Return it as text."""
        return json.dumps(self.entries)


def read_manifest(text: str | bytes) -> Manifest:
    """Return what `to_json` made a text of. Raises ValueError."""
    entries: Iterable[list[object]] = json.loads(text)
    try:
        return Manifest(tuple(starmap(Entry, entries)))
    except TypeError as error:
        raise ValueError(f"no manifest: {error}") from error
