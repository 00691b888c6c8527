"""Having a guard end, with all that it has started, from outside."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
from pathlib import Path

from ray_remote_nni.guard.start import IDENTITY_FILE
from ray_remote_nni.guard.windows import address, processes

#: The name of the guard's socket in its folder; a path that is too long for one leads elsewhere.
SOCKET_FILE = "guard.sock"


def identity(directory: Path) -> tuple[int, int] | None:
    """Return the PID and the start of the process to be told, None where no guard of this folder has left word."""
    try:
        known = json.loads((directory / IDENTITY_FILE).read_text())
    except (OSError, ValueError):
        return None
    return known["pid"], known["start_ticks"]


def ask_to_end(directory: Path, pid: int) -> None:
    """Ask the guard of this folder to end, which takes some seconds."""
    if sys.platform == "win32":
        with contextlib.suppress(OSError):
            address.connect(directory / SOCKET_FILE, 5.0, end=True).close()
    else:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)


def make_end(pid: int) -> None:
    """End it at once; what it leaves is ended by its nanny, or by the system."""
    if sys.platform == "win32":
        processes.kill(pid)
    else:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
