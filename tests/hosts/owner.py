"""Whose folder this is: so that what a killed session left can be told from what another one is using."""

from __future__ import annotations

import os
from pathlib import Path

import proc


def claim(folder: Path) -> None:
    """Write down that this process made the folder."""
    (folder / "owner").write_text(f"{os.getpid()} {proc.start_time(os.getpid())}")


def is_orphan(folder: Path) -> bool:
    """Whether the process that claimed the folder is gone. A folder that nobody claimed yet is somebody's."""
    try:
        pid, started = (int(number) for number in (folder / "owner").read_text().split())
    except (OSError, ValueError):
        return False
    return proc.start_time(pid) != started
