"""The digests of a code directory's files, remembered from run to run, so that what has not changed is not read again.

As Git's index does, it takes a file for unchanged that has the size, the times, the inode and the device that it had;
and it does not remember what was written so shortly before that a later change might bear the same time.
Source: Documentation/technical/racy-git.txt.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import time
from collections.abc import Callable
from pathlib import Path

from ray_remote_nni.paths import client_root, private_file, private_folder

#: The coarsest time stamps of the usual file systems are FAT's, two seconds.
_RACY_NS = 2 * 10**9
#: What belongs to a directory that was not uploaded for so long is forgotten.
_KEPT_S = 90 * 24 * 3600.0


class Digests:
    """The digests of the files below `directory`, those of the last time at hand."""

    def __init__(self, directory: Path) -> None:
        self._name = f"{hashlib.sha256(os.fsencode(directory)).hexdigest()[:16]}.json"
        self._known = self._read()
        self._now: dict[str, list[object]] = {}

    def digest(self, path: str, status: os.stat_result, read: Callable[[], str]) -> str:
        """Return the digest of the file at a relative path, whose state is `status`; `read` makes it anew."""
        # What a program changes and then dates back still has another ctime.
        state = [status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino, status.st_dev]
        known = self._known.get(path)
        began_ns = time.time_ns()
        digest = known[-1] if known is not None and known[:-1] == state else read()
        if max(status.st_mtime_ns, status.st_ctime_ns) < began_ns - _RACY_NS:
            self._now[path] = [*state, digest]
        return str(digest)

    def save(self) -> None:
        """Remember what was asked for, and forget the rest; where that fails the next run reads all files again."""
        if self._now == self._known:
            return
        with contextlib.suppress(OSError):
            folder = private_folder(_folder())
            with private_file(folder / self._name, durable=False) as file:
                # Made at once: `dump` writes bit by bit.
                file.write(json.dumps(self._now))
            for other in folder.glob("*.json"):
                if time.time() - other.stat().st_mtime > _KEPT_S:
                    other.unlink()

    def _read(self) -> dict[str, list[object]]:
        try:
            found = json.loads((_folder() / self._name).read_bytes())
        except (OSError, ValueError):
            return {}
        whole = isinstance(found, dict) and all(isinstance(known, list) and len(known) == 6 for known in found.values())
        return found if whole else {}


def _folder() -> Path:
    return client_root() / "digests"
