"""Code as it lies on a machine, which in a test is the one whose home HOME names."""

from __future__ import annotations

from pathlib import Path

from ray_remote_nni.experiment.upload import read_code
from ray_remote_nni.trial.assembly import Assembly, Parts
from ray_remote_nni.trial.code import code_folder, has_code, locked
from ray_remote_nni.trial.layout import layout_of


def put_code(directory: Path) -> Path:
    """Bring the code in a directory to this machine; return its folder there."""
    manifest = read_code(directory).manifest
    with locked(manifest.name):
        if has_code(manifest.name):
            return code_folder(manifest.name)
        making = Assembly(manifest)
        wanted = layout_of(manifest).within(making.missing)
        return making.receive(Parts((directory / entry.path).read_bytes() for entry, _ in wanted))
