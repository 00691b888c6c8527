"""Asking a running experiment's driver to stop, and ending an experiment whose driver is gone."""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any

from ray_remote_nni.cluster.module import json_object
from ray_remote_nni.errors import ClusterError, NotFound
from ray_remote_nni.experiment.head import Head
from ray_remote_nni.experiment.mirror import Pulse, catch_up
from ray_remote_nni.experiment.registry import ExperimentEntry
from ray_remote_nni.records.model import RequestKind
from ray_remote_nni.words import last_line

_REQUESTS = "ray_remote_nni.records.requests"
#: The driver waits for the ends of its trials, and half a minute for those of a machine that does not answer.
_PATIENCE_S = 60.0


async def send_request(
    entry: ExperimentEntry, head: Head, kind: RequestKind, trial_id: str | None = None, payload: Any = None
) -> list[int]:
    """Put a request into the records on the head, where the driver finds it.

    Returns, of results to import, the places of those that were not imported before.
    Raises NotFound where the records or the trial are not there, else ClusterError.
    """
    arguments = [head.experiment_directory(entry.experiment_id), kind, *([trial_id] if trial_id else [])]
    async with head.run(_REQUESTS, *arguments) as stream:
        if payload is not None:
            await stream.write(json.dumps(payload).encode())
        stream.write_eof()
        said = [found async for line in stream.lines() if (found := json_object(line)) is not None]
        code, errors = await stream.wait()
    if code != 0:
        failed = NotFound if code == NotFound.exit_code else ClusterError
        raise failed(f"{head.machine.host}: {last_line(errors, 'the request was not taken')}")
    # The head of a cluster that an earlier version started does not say, and imports all of them.
    everything = list(range(len(payload))) if kind == "import" else []
    return next((found["taken"] for found in said if "taken" in found), everything) or []


async def stop_experiment(entry: ExperimentEntry, head: Head) -> Pulse | None:
    """Stop an experiment if it runs, and wait until it has stopped; return its last pulse, None without records.

    An experiment whose driver is dead is left as it is: it does nothing any more, and can be resumed.
    """
    pulse = await catch_up(entry, head)
    if pulse is None or not pulse.running:
        return pulse
    await send_request(entry, head, "stop")
    deadline = time.monotonic() + _PATIENCE_S
    while pulse is not None and pulse.running and time.monotonic() < deadline:
        await asyncio.sleep(0.2)
        pulse = await catch_up(entry, head)
    return pulse
