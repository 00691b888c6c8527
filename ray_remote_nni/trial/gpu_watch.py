"""A Ray task that watches the GPUs of its machine, and tells the driver of every change."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path

import ray

from ray_remote_nni.guard.start import IDENTITY_FILE
from ray_remote_nni.trial.gpu_use import GpuUse, look

#: A GPU that became free is noticed within this time and what nvidia-smi takes, about a second at worst.
_PAUSE_S = 3.0


@ray.remote(num_cpus=0, max_retries=0)
def watch_gpus() -> Iterator[GpuUse]:
    """Yield the use of this machine's GPUs now, and again whenever it has changed; never ends by itself."""
    guard = _guard()
    last: GpuUse | None = None
    while True:
        now = look(guard)
        if now != last:
            yield now
        last = now
        time.sleep(_PAUSE_S)


def _guard() -> int:
    """Return the PID of the nanny, above all that this cluster runs here."""
    identity = json.loads((Path(os.environ["RAY_NNI_NODE"]) / IDENTITY_FILE).read_text())
    return int(identity["pid"])
