"""Which GPUs of this machine strangers use: those with a process that is not below our guard."""

from __future__ import annotations

from dataclasses import dataclass

from ray_remote_nni.guard.processes import descendants, process_table
from ray_remote_nni.trial.nvidia import NoAnswer, gpu_processes


@dataclass(frozen=True)
class GpuUse:
    """The GPUs that have a process of somebody else's; `error` where nvidia-smi does not tell."""

    strangers: frozenset[int]
    error: str | None = None


def look(guard: int) -> GpuUse:
    """Return the use of this machine's GPUs; `guard` is the PID above all that this cluster runs here.

    A process that cannot be seen, as under a /proc mounted with hidepid, is a stranger's.
    """
    # What ended while nvidia-smi was at work was seen before, what started meanwhile is seen after.
    ours = descendants([guard], process_table())
    try:
        running = gpu_processes()
    except NoAnswer as error:
        return GpuUse(frozenset(), str(error))
    ours |= descendants([guard], process_table())
    return GpuUse(frozenset(gpu for gpu, pids in running.items() if pids - ours))
