"""A lock that is a file's, and goes with the process that has it. Files are given by their descriptors."""

from __future__ import annotations

import contextlib
import os
import sys

#: On Windows nobody may read or write what another has locked, so that is beyond all that is ever written.
_BEYOND = 2**30


def lock(descriptor: int) -> None:
    """Wait until nobody else has the lock, and have it as long as the file is open."""
    if sys.platform == "win32":
        import msvcrt

        os.lseek(descriptor, _BEYOND, os.SEEK_SET)
        while True:
            # It gives up after ten seconds.
            with contextlib.suppress(OSError):
                msvcrt.locking(descriptor, msvcrt.LK_LOCK, 1)
                return
    else:
        import fcntl

        fcntl.flock(descriptor, fcntl.LOCK_EX)


def try_lock(descriptor: int) -> bool:
    """Have the lock as long as the file is open, and tell so; False, at once, where somebody else has it."""
    return _try(descriptor, shared=False)


def is_locked(descriptor: int) -> bool:
    """Tell whether somebody else has the lock; the file is to be closed soon, and is as good as unread."""
    # Of those who only look, none takes another for whoever has it.
    return not _try(descriptor, shared=True)


def _try(descriptor: int, *, shared: bool) -> bool:
    if sys.platform == "win32":
        import msvcrt

        os.lseek(descriptor, _BEYOND, os.SEEK_SET)
        try:
            # Windows has no shared ones here.
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        finally:
            os.lseek(descriptor, 0, os.SEEK_SET)
    else:
        import fcntl

        try:
            fcntl.flock(descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
    return True
