"""A package index without a network: what is installed here, as the wheels that it came from."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path

from ray_remote_nni.cluster.distributions import available_here, files_of


def fill_wheelhouse(folder: Path, *roots: str) -> None:
    """Write a wheel for each distribution in the closure of these requirements into a folder, as far as it lacks it.

    They are not compressed: to pack 300 MB takes four seconds so, and a minute otherwise.
    """
    folder.mkdir(exist_ok=True)
    for name, one in available_here(roots).items():
        # Tags of the same wheel differ in what the wheel's name joins with dots: py2.py3-none-any.
        tags = "-".join(".".join(dict.fromkeys(parts)) for parts in zip(*(t.split("-") for t in one.tags), strict=True))
        wheel = folder / f"{name.replace('-', '_')}-{one.version}-{tags}.whl"
        if wheel.exists():
            continue
        part = wheel.with_suffix(f".{os.getpid()}")
        with zipfile.ZipFile(part, "w") as archive:
            for inside, path in files_of(name):
                archive.write(path, inside)
        part.replace(wheel)
