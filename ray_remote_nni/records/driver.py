"""Which process is the driver of an experiment, and whether it still runs on this machine."""

from __future__ import annotations

from pathlib import Path

from ray_remote_nni.records.model import ExperimentRecord

#: From the experiment's creation to the first sign of its driver: Ray has a job to start.
FIRST_DRIVER_S = 60.0

#: A driver that has just announced itself is believed.
GRACE_S = 1.0


def process_start(pid: int) -> int | None:
    """Return when a process started, in clock ticks since the boot; None where there is no such live process.

    With the PID it identifies a process for good. None too on a system without /proc.
    """
    try:
        stat = Path(f"/proc/{pid}/stat").read_bytes()
    except OSError:
        return None
    # The second field, the command's name in parentheses, may itself hold spaces and parentheses.
    fields = stat[stat.rindex(b")") + 2 :].split()
    return None if fields[0] in (b"Z", b"X") else int(fields[19])


def driver_alive(experiment: ExperimentRecord, now: float) -> bool:
    """Tell whether the experiment's driver runs on this machine, or may still be on its way."""
    if experiment.driver_pid is None or experiment.driver_time is None:
        return not experiment.ended and _within(FIRST_DRIVER_S, experiment.start_time, now)
    if process_start(experiment.driver_pid) == experiment.driver_start is not None:
        return True
    return _within(GRACE_S, experiment.driver_time, now)


def _within(seconds: float, then: float, now: float) -> bool:
    # What lies ahead was written before the clock was put back, and says nothing.
    return abs(now - then) < seconds
