"""Where things are on the client."""

from __future__ import annotations

from pathlib import Path


def client_root() -> Path:
    """Return ~/.ray-nni, made if it is not there, for nobody but the user."""
    root = Path.home() / ".ray-nni"
    root.mkdir(mode=0o700, parents=True, exist_ok=True)
    if root.stat().st_mode & 0o077:
        root.chmod(0o700)
    return root


def clusters_folder() -> Path:
    """Return the folder of the state files of the clusters that are up."""
    folder = client_root() / "clusters"
    folder.mkdir(mode=0o700, exist_ok=True)
    return folder


def experiments_folder() -> Path:
    """Return the folder that tells where each experiment's records are."""
    folder = client_root() / "experiments"
    folder.mkdir(mode=0o700, exist_ok=True)
    return folder
