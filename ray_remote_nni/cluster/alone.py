"""One command of this client at a time for the same machines."""

from __future__ import annotations

import asyncio
import hashlib
import os
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from ray_remote_nni.cluster.request import ClusterRequest
from ray_remote_nni.paths import clusters_folder

_POLL_S = 0.2


@asynccontextmanager
async def alone_with(request: ClusterRequest, on_wait: Callable[[], None]) -> AsyncIterator[None]:
    """Keep other commands away from these machines; `on_wait()` is called once if one of them was here first."""
    machines = hashlib.sha256(repr([machine.identity for machine in request.machines]).encode()).hexdigest()[:16]
    waiting = False
    with os.fdopen(os.open(clusters_folder() / f".{machines}.lock", os.O_RDWR | os.O_CREAT, 0o600)) as lock:
        while not _locked(lock.fileno()):
            if not waiting:
                on_wait()
            waiting = True
            await asyncio.sleep(_POLL_S)
        yield


def _locked(descriptor: int) -> bool:
    try:
        if sys.platform == "win32":
            import msvcrt

            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        return False
    return True
