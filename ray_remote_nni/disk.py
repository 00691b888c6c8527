"""Whether a disk takes anything more."""

from __future__ import annotations

import errno
import os
import tempfile
from pathlib import Path


def why_full(folder: Path, size: int) -> str:
    """Return why no `size` bytes more can be written into a folder, in the system's words; empty where it is not full.

    They are written, and brought to the disk: nothing else tells of a quota, and of a disk without inodes.
    """
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(os.urandom(size))
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            return error.strerror or str(error)
    return ""
