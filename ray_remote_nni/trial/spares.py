"""What was made beforehand for trials to come: it waits in the folder of the code, and each is taken once.

A spare is a file or a folder, and of a kind; of one kind all are alike.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path

#: The folder in that of the code.
_SPARE = "spare"
_HALF_MADE = ".part"
#: One that is half made, and in which nothing was written for so long, is nobody's.
_ABANDONED_S = 3600.0


def take_spare(code: Path, kind: str, target: str) -> bool:
    """Have a spare for one's own at `target`; tell whether there was any that can go there."""
    for spare in _whole(code, kind):
        # Another trial may have been faster, and the trials' folder may be on another disk.
        with contextlib.suppress(OSError):
            os.rename(spare, target)
            return True
    return False


def has_spare(code: Path, kind: str) -> bool:
    """Tell whether there is one to be taken."""
    return any(_whole(code, kind))


def count_spares(code: Path, kind: str) -> int:
    """Return how many there are, with those that others make just now."""
    return sum(1 for _ in _all(code, f"{kind}-"))


def new_spare(code: Path, kind: str) -> str:
    """Return the path that a file or folder has to be moved to, to be a spare."""
    folder = f"{code}/{_SPARE}"
    with contextlib.suppress(FileExistsError):
        os.mkdir(folder, 0o700)
    return f"{folder}/{kind}-{secrets.token_hex(4)}"


def make_spare(code: Path, kind: str, make: Callable[[str], None]) -> None:
    """Make a spare, as far as the disk has room for it; `make` is told where."""
    spare = new_spare(code, kind)
    part = f"{spare}{_HALF_MADE}"
    with contextlib.suppress(OSError):
        try:
            make(part)
            os.rename(part, spare)
        except BaseException:
            _remove(part)
            raise


def remove_abandoned(code: Path) -> None:
    """Remove what workers that were killed have left half made. One that still makes it does without."""
    for path in _all(code):
        with contextlib.suppress(OSError):
            if path.endswith(_HALF_MADE) and time.time() - os.lstat(path).st_mtime > _ABANDONED_S:
                _remove(path)


def _whole(code: Path, kind: str) -> Iterator[str]:
    return (path for path in _all(code, f"{kind}-") if not path.endswith(_HALF_MADE))


def _all(code: Path, start: str = "") -> Iterator[str]:
    with contextlib.suppress(FileNotFoundError):
        for name in os.listdir(f"{code}/{_SPARE}"):
            if name.startswith(start):
                yield f"{code}/{_SPARE}/{name}"


def _remove(path: str) -> None:
    shutil.rmtree(path, ignore_errors=True)
    with contextlib.suppress(OSError):
        os.unlink(path)
