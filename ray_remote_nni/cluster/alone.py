"""One command of this client at a time for the same cluster and for the same machines."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path

from ray_remote_nni.cluster.state import Identity
from ray_remote_nni.file_lock import try_lock
from ray_remote_nni.paths import clusters_folder

_POLL_S = 0.2


@asynccontextmanager
async def alone_with(config: str, machines: Iterable[Identity], on_wait: Callable[[], None]) -> AsyncIterator[None]:
    """Keep other commands away from a configuration's cluster and machines; `config` is its absolute path.

    `on_wait()` is called once if one of them was here first.
    """
    # In this order everywhere, so that no two wait for each other.
    names = [_digest(config), _digest(repr(sorted(machines, key=repr)))]
    waiting = False
    with ExitStack() as locks:
        for name in names:
            path = clusters_folder() / f".{name}.lock"
            while (descriptor := _lock(path)) is None:
                if not waiting:
                    on_wait()
                waiting = True
                await asyncio.sleep(_POLL_S)
            locks.callback(_unlock, path, descriptor)
        yield


def _lock(path: Path) -> int | None:
    """Return the descriptor of a lock file that is ours now; None where it is another's."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        # Whoever had it before has removed it: others lock a new file by now.
        if try_lock(descriptor) and path.exists() and os.path.samestat(os.fstat(descriptor), path.stat()):
            return descriptor
    except FileNotFoundError:
        pass
    os.close(descriptor)
    return None


def _unlock(path: Path, descriptor: int) -> None:
    # First, while it is still locked: later it might be another's already. Windows removes no file that is open.
    with contextlib.suppress(PermissionError, FileNotFoundError):
        path.unlink()
    os.close(descriptor)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]
