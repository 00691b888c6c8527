"""What a trial's working copy costs in time and disk, on this machine."""

from __future__ import annotations

import os
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ray_remote_nni.experiment.upload import read_code
from ray_remote_nni.trial.assembly import Assembly, Parts
from ray_remote_nni.trial.code import locked
from ray_remote_nni.trial.layout import layout_of
from ray_remote_nni.trial.working_copy import leave_to_others, make_working_copy, restock, stock


@dataclass(frozen=True)
class Copies:
    """Seconds to make one beforehand, and of the middle start and the slowest; bytes on disk for each trial."""

    beforehand_s: float
    middle_s: float
    slowest_s: float
    disk_bytes: float


def measure_copies(directory: Path, trials: int = 10) -> Copies:
    """Make and leave working copies one after the other, as trials at concurrency 1 do.

    As in an experiment, the first is made while the tuner starts, and the small files of the next while a trial runs.
    """
    with tempfile.TemporaryDirectory(prefix="bench-") as name, _home(name):
        manifest = read_code(directory).manifest
        contents = (directory / entry.path for entry in layout_of(manifest).contents)
        with locked(manifest.name):
            folder = Assembly(manifest).receive(Parts(path.read_bytes() for path in contents))
        before = _free(name)
        began = time.monotonic()
        stock(folder, 1)
        beforehand = time.monotonic() - began
        times = []
        for number in range(trials):
            began = time.monotonic()
            make_working_copy(folder, f"{name}/{number}")
            times.append(time.monotonic() - began)
            restock(folder)
            leave_to_others(folder, f"{name}/{number}")
        used = before - _free(name)
    return Copies(beforehand, statistics.median(times), max(times), used / trials)


def _free(folder: str) -> int:
    os.sync()
    found = os.statvfs(folder)
    return found.f_bavail * found.f_frsize


@contextmanager
def _home(folder: str) -> Iterator[None]:
    before = os.environ["HOME"]
    os.environ["HOME"] = folder
    (Path(folder) / ".ray-nni/code").mkdir(parents=True)
    try:
        yield
    finally:
        os.environ["HOME"] = before
