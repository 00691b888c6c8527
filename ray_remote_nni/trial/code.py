"""The experiments' code on a machine: a folder for each, named after its content, and when that goes again.

Beside each folder lies its manifest, written last: a folder without one is half made, and nobody uses it.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path

from ray_remote_nni.file_lock import lock
from ray_remote_nni.trial.workspace import machine_root

#: Code that no experiment on this machine names is kept for so long after its last use.
KEPT_S = 14 * 24 * 3600.0
#: A half-made folder of this age is nobody's.
_ABANDONED_S = 24 * 3600.0


def code_folder(name: str) -> Path:
    """Return where the code of this name is, or will be, on this machine."""
    return machine_root() / "code" / name


def manifest_file(folder: Path) -> Path:
    """Return where the manifest of a folder of code is, which may be half made."""
    return folder.with_name(f"{folder.name}.manifest")


def has_code(name: str) -> bool:
    """Tell whether the code is on this machine, whole; if so, it is in use from now on."""
    folder = code_folder(name)
    try:
        os.utime(manifest_file(folder))
    except OSError:
        return False
    return folder.is_dir()


@contextlib.contextmanager
def locked(name: str) -> Iterator[None]:
    """Keep others on this machine from making the code of this name at the same time."""
    (machine_root() / "code").mkdir(mode=0o700, parents=True, exist_ok=True)
    with lock_file(name).open("a") as file:
        lock(file.fileno())
        # What the one before said of its doings does not hold any more.
        file.truncate(0)
        yield


def lock_file(name: str) -> Path:
    """Return the path of the file that is locked while the code of this name is made."""
    return machine_root() / "code" / f".{name}.lock"


def prune_code(now: float) -> list[str]:
    """Remove code that no experiment on this machine names and nobody has used for long; return the names.

    Running trials have working copies of their own, and so lose nothing.
    """
    named = _named_by_experiments()
    removed = []
    for path in (machine_root() / "code").iterdir():
        name, _, rest = path.name.partition(".")
        with contextlib.suppress(OSError):
            if rest == "manifest":
                if name not in named and now - path.stat().st_mtime > KEPT_S:
                    path.unlink()
                    for left in (path.with_name(name), path.with_name(f"{name}.spare")):
                        shutil.rmtree(left, ignore_errors=True)
                    lock_file(name).unlink(missing_ok=True)
                    removed.append(name)
            elif rest.startswith("part-") and now - path.stat().st_mtime > _ABANDONED_S:
                remove([path.with_suffix("") if path.suffix == ".manifest" else path])
    return removed


def _named_by_experiments() -> set[str]:
    names = set()
    for spec in (machine_root() / "experiments").glob("*/experiment.json"):
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
            names.add(json.loads(spec.read_text(encoding="utf-8"))["code"])
    return names


def remove(folders: Iterable[Path]) -> None:
    """Remove folders of code with their manifests, as far as they are there."""
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)
        manifest_file(folder).unlink(missing_ok=True)
