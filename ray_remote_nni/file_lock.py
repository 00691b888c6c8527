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
    if sys.platform == "win32":
        return _try_on_windows(descriptor)
    import fcntl

    return _try_to(fcntl.LOCK_EX, descriptor)


def is_locked(descriptor: int) -> bool:
    """Tell whether somebody else has the lock; the file is to be closed soon, and is as good as unread."""
    if sys.platform == "win32":
        return not _try_on_windows(descriptor)
    import fcntl

    # Of those who only look, none takes another for whoever has it.
    return not _try_to(fcntl.LOCK_SH, descriptor)


if sys.platform == "win32":

    def _try_on_windows(descriptor: int) -> bool:
        import msvcrt

        os.lseek(descriptor, _BEYOND, os.SEEK_SET)
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        finally:
            os.lseek(descriptor, 0, os.SEEK_SET)
        return True

else:

    def _try_to(operation: int, descriptor: int) -> bool:
        import fcntl

        try:
            fcntl.flock(descriptor, operation | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True
