"""A lock that is a file's, and goes with the process that has it."""

from __future__ import annotations

import contextlib
import os
import sys
from typing import IO

#: On Windows nobody may read or write what another has locked, so that is beyond all that is ever written.
_BEYOND = 2**30


def lock(file: IO[str]) -> None:
    """Wait until nobody else has the lock, and have it as long as the file is open."""
    if sys.platform == "win32":
        import msvcrt

        os.lseek(file.fileno(), _BEYOND, os.SEEK_SET)
        while True:
            # It gives up after ten seconds.
            with contextlib.suppress(OSError):
                msvcrt.locking(file.fileno(), msvcrt.LK_LOCK, 1)
                return
    else:
        import fcntl

        fcntl.flock(file, fcntl.LOCK_EX)


def is_locked(file: IO[str]) -> bool:
    """Tell whether somebody else has the lock; the file is as good as unread afterwards."""
    if sys.platform == "win32":
        import msvcrt

        os.lseek(file.fileno(), _BEYOND, os.SEEK_SET)
        try:
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        except OSError:
            return True
        finally:
            os.lseek(file.fileno(), 0, os.SEEK_SET)
    else:
        import fcntl

        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False
