"""Code that is still on its way to this machine: who brings it says where, so that it can go on to others meanwhile.

What is said stands in the file with which the code is locked, and counts as long as the lock is held.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from ray_remote_nni.file_lock import is_locked
from ray_remote_nni.trial.code import lock_file


@dataclass(frozen=True)
class Arriving:
    """Somebody brings the code. Until `folder` is known it may as well turn out to be here.

    Files appear in the folder in the order of its manifest, and each grows until it has its size. Those with the
    digests `resumed` are not certain before they bear their time: an earlier upload brought a part of them.
    """

    folder: Path | None = None
    resumed: frozenset[str] = frozenset()


def announce(name: str, folder: Path, resumed: Iterable[str]) -> None:
    """Say where the code of this name is put together; the caller holds its lock, and the manifest is there."""
    with lock_file(name).open("w", encoding="utf-8") as file:
        json.dump({"folder": str(folder), "resumed": [*resumed]}, file)


def arriving(name: str) -> Arriving | None:
    """Return what is on its way; None where nobody brings it."""
    try:
        with lock_file(name).open(encoding="utf-8") as file:
            if is_locked(file.fileno()):
                said = json.loads(file.read())
                return Arriving(Path(said["folder"]), frozenset(said["resumed"]))
    except FileNotFoundError:
        pass
    except ValueError:
        return Arriving()
    return None
