"""Watching an experiment until its end, through lost connections, and telling when its driver has died."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable

from ray_remote_nni.cluster.dashboard import Dashboard, JobUnknown
from ray_remote_nni.errors import ClusterError, MachineError, RayNniError
from ray_remote_nni.experiment.access import ClusterAccess
from ray_remote_nni.experiment.head import Head
from ray_remote_nni.experiment.mirror import RecordsNotRead, follow
from ray_remote_nni.experiment.registry import ExperimentEntry
from ray_remote_nni.records.connection import RecordsUnwritable
from ray_remote_nni.records.model import ExperimentStatus

#: A driver that was dead for so long is not coming back: its job, or its machine, has ended.
_DEAD_S = 3.0
#: The same for a driver that may not have come up yet.
_UNSEEN_S = 30.0
_JOB_CHECK_S = 1.0
#: Looking costs more than mirroring, and nobody reads faster.
_SHOW_S = 1.0
_LONGEST_PAUSE_S = 15.0


class DriverDied(ClusterError):
    """The experiment's driver is gone, and the experiment has not ended."""

    def __init__(self, experiment_id: str, why: str = "") -> None:
        super().__init__(
            f"The driver of experiment {experiment_id} died{f' ({why})' if why else ''}; no new trials are started. "
            f"What ended is recorded. Go on with: ray-nni resume {experiment_id}"
        )


async def attach(
    entry: ExperimentEntry,
    access: ClusterAccess,
    on_change: Callable[[], None],
    on_trouble: Callable[[str], None],
) -> ExperimentStatus:
    """Mirror an experiment's records until it has ended, and return how.

    `on_change()` is called when there may be something new to show, at most once a second, and `on_trouble(message)`
    when the connection is lost, or nothing can be written here; it is tried again until it works. Raises DriverDied.
    """
    pause = 1.0
    # Once, whatever becomes of the connection.
    seen = asyncio.Event()
    while True:
        try:
            async with access.head() as head:
                on_trouble("")
                pause = 1.0
                return await _watch(entry, head, on_change, seen)
        except RecordsNotRead as error:
            raise DriverDied(entry.experiment_id, str(error).rstrip(".")) from error
        except (MachineError, RecordsUnwritable) as error:
            on_trouble(f"{error} The experiment goes on there; trying again.")
        await asyncio.sleep(pause)
        pause = min(pause * 2, _LONGEST_PAUSE_S)


async def _watch(
    entry: ExperimentEntry, head: Head, on_change: Callable[[], None], seen: asyncio.Event
) -> ExperimentStatus:
    watching = asyncio.ensure_future(_follow(entry, head, on_change, seen))
    starting = asyncio.ensure_future(_fail_with_job(entry, head, seen))
    try:
        await asyncio.wait({starting, watching}, return_when=asyncio.FIRST_COMPLETED)
        if not watching.done():
            starting.result()
        return await watching
    finally:
        for task in (starting, watching):
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError, RayNniError):
                await task


async def _follow(
    entry: ExperimentEntry, head: Head, on_change: Callable[[], None], seen: asyncio.Event
) -> ExperimentStatus:
    dead_since: float | None = None
    shown = 0.0
    async with contextlib.aclosing(follow(entry, head)) as pulses:
        async for pulse in pulses:
            if pulse.status != "RUNNING" or time.monotonic() - shown > _SHOW_S:
                on_change()
                shown = time.monotonic()
            if pulse.status != "RUNNING":
                return pulse.status
            if pulse.driver_alive:
                seen.set()
                dead_since = None
            elif dead_since is None:
                dead_since = time.monotonic()
            elif time.monotonic() - dead_since > (_DEAD_S if seen.is_set() else _UNSEEN_S):
                full = f"the disk of {head.machine.label} is full, or your quota on it: make room there"
                raise DriverDied(entry.experiment_id, full if pulse.disk_full else "")
    if shown == 0.0:
        raise DriverDied(entry.experiment_id, "it left no records")
    raise MachineError(head.machine.host, "the connection was lost.")


async def _fail_with_job(entry: ExperimentEntry, head: Head, seen: asyncio.Event) -> None:
    """Raise DriverDied when Ray says that the driver's job has ended; return once the driver was seen alive."""
    dashboard = await head.dashboard()
    while not seen.is_set():
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(seen.wait(), _JOB_CHECK_S)
            return
        await check_job(entry, dashboard)


async def check_job(entry: ExperimentEntry, dashboard: Dashboard) -> None:
    """Raise DriverDied where Ray says that the driver's job has failed, or does not know it."""
    try:
        job = await dashboard.job(entry.job)
    except JobUnknown as error:
        raise DriverDied(entry.experiment_id) from error
    except ClusterError:
        return  # a dashboard that does not answer says nothing about the driver
    if job["status"] in ("FAILED", "STOPPED"):
        raise DriverDied(entry.experiment_id, _why(str(job.get("message") or "")))


def _why(message: str) -> str:
    """Return the reason in what Ray says of a failed job: its driver's last words, else how it ended."""
    lines = [line.strip() for line in message.splitlines() if line.strip()]
    if not lines:
        return ""
    return lines[0].split(", last available logs")[0] if lines[-1].startswith("Running entrypoint") else lines[-1]
