"""What a trial attempt is told, and what it tells: plain values that travel between the driver and a machine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Union


@dataclass(frozen=True)
class TrialSpec:
    """One attempt to run a trial.

    `gpu_number` is NNI's trialGpuNumber: None leaves it to the trial what it uses, 0 is none; else `gpus` are the
    indices of those it gets, each shared by `trials_per_gpu` at most. `max_trials` is the most that may run on the
    machine at once, None for no limit. `environment` is the configuration's
    trialEnvironment; `base_environment` replaces the machine's own, None leaves that. `timeout_s` is None for no
    limit. `loads` is where it goes on from what an earlier trial saved, None where it does not.
    """

    experiment_id: str
    trial_id: str
    sequence: int
    attempt: int
    parameters: Mapping[str, Any]
    command: str
    code: str
    gpu_number: int | None
    timeout_s: float | None
    gpus: tuple[int, ...] = ()
    trials_per_gpu: int = 1
    max_trials: int | None = None
    environment: Mapping[str, str] = field(default_factory=dict)
    base_environment: Mapping[str, str] | None = None
    loads: str | None = None


@dataclass(frozen=True)
class Started:
    """The trial's process runs, since `time` (seconds since the epoch). `machine` is the configuration's host.

    `missing` says that what it goes on from was not there.
    """

    machine: str
    gpu_indices: tuple[int, ...]
    time: float
    missing: bool = False


@dataclass(frozen=True)
class Reported:
    """A metric that the trial reported: `kind` is NNI's PERIODICAL or FINAL, `value` whatever it sent."""

    sequence: int
    kind: Literal["PERIODICAL", "FINAL"]
    value: Any
    time: float


@dataclass(frozen=True)
class Ended:
    """The trial's process tree is gone.

    `reason` is None where it ended by itself, else "timeout" or "stopped". `error` holds the last lines of its
    standard error where it failed.
    """

    exit_code: int
    time: float
    reason: str | None
    error: str | None


@dataclass(frozen=True)
class NotStarted:
    """The machine could not start the trial's process; that is the machine's failure and not the trial's."""

    machine: str
    error: str


TrialEvent = Union[Started, Reported, Ended, NotStarted]  # noqa: UP007 - evaluated at run time, in Python 3.10 too
