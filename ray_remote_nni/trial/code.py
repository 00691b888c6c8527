"""The experiments' code on a machine: a folder for each, named after its content, and when that goes again.

A folder gets that name when all is in it: its manifest, and the files of its layout. Before, it has another.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from ray_remote_nni.file_lock import is_locked, lock
from ray_remote_nni.trial.layout import MANIFEST
from ray_remote_nni.trial.workspace import machine_root

#: Code that no experiment on this machine names is kept for so long after its last use.
KEPT_S = 14 * 24 * 3600.0
#: A half-made folder of this age is nobody's.
_ABANDONED_S = 24 * 3600.0


def codes_folder() -> Path:
    """Return the folder of all code on this machine."""
    return machine_root() / "code"


def code_folder(name: str) -> Path:
    """Return where the code of this name is, or will be, on this machine."""
    return codes_folder() / name


def part_folder(name: str) -> Path:
    """Return where the code of this name is put together; its manifest is there while its files grow, each in place."""
    return codes_folder() / f"{name}.part"


def has_code(name: str) -> bool:
    """Tell whether the code is on this machine, whole; if so, it is in use from now on."""
    try:
        os.utime(code_folder(name) / MANIFEST)
    except OSError:
        return False
    return True


def last_used(folder: Path) -> float:
    """Return when a folder of code was used last; long ago where that is not known."""
    try:
        return (folder / MANIFEST).stat().st_mtime
    except OSError:
        return 0.0


@contextlib.contextmanager
def locked(name: str) -> Iterator[None]:
    """Keep others on this machine from making the code of this name at the same time."""
    codes_folder().mkdir(mode=0o700, parents=True, exist_ok=True)
    with _lock_file(name).open("a") as file:
        lock(file.fileno())
        # What was begun before counts again when it has been looked at.
        (part_folder(name) / MANIFEST).unlink(missing_ok=True)
        yield


def arriving(name: str) -> bool:
    """Tell whether somebody brings the code of this name to this machine."""
    try:
        with _lock_file(name).open() as file:
            return is_locked(file.fileno())
    except FileNotFoundError:
        return False


def prune_code(now: float) -> list[str]:
    """Remove code that no experiment on this machine names and nobody has used for long; return the names.

    Running trials have working copies of their own, and so lose nothing.
    """
    named = _named_by_experiments()
    removed = []
    for path in codes_folder().iterdir():
        name, _, rest = path.name.partition(".")
        with contextlib.suppress(OSError):
            if rest == "part":
                if now - path.stat().st_mtime > _ABANDONED_S and not arriving(name):
                    shutil.rmtree(path, ignore_errors=True)
            elif name and name not in named and now - last_used(path) > KEPT_S and not arriving(name):
                shutil.rmtree(path, ignore_errors=True)
                # There are files beside the folders of an earlier version.
                path.unlink(missing_ok=True)
                _lock_file(name).unlink(missing_ok=True)
                removed.append(name)
    return removed


def _lock_file(name: str) -> Path:
    return codes_folder() / f".{name}.lock"


def _named_by_experiments() -> set[str]:
    names = set()
    for spec in (machine_root() / "experiments").glob("*/experiment.json"):
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
            names.add(json.loads(spec.read_text(encoding="utf-8"))["code"])
    return names
