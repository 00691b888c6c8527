"""What the records hold, as frozen values: experiment, trials, attempts, notices, requests."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, TypedDict

ExperimentStatus: TypeAlias = Literal["RUNNING", "DONE", "STOPPED", "ERROR"]

#: NNI's words for the state of a trial.
TrialStatus: TypeAlias = Literal[
    "WAITING", "RUNNING", "SUCCEEDED", "FAILED", "USER_CANCELED", "SYS_CANCELED", "EARLY_STOPPED", "UNKNOWN"
]

#: The states from which a trial does not come back.
ENDED: frozenset[TrialStatus] = frozenset(("SUCCEEDED", "FAILED", "USER_CANCELED", "SYS_CANCELED", "EARLY_STOPPED"))

OptimizeMode: TypeAlias = Literal["maximize", "minimize"]
MetricType: TypeAlias = Literal["PERIODICAL", "FINAL"]
NoticeLevel: TypeAlias = Literal["info", "warning", "error"]
RequestKind: TypeAlias = Literal["stop", "kill", "update", "trial", "import"]

#: One reported metric: the sequence number that the trial gave it, its type, its value, when it arrived.
Metric: TypeAlias = tuple[int, MetricType, Any, float]


class EarlierResult(TypedDict):
    """A trial of elsewhere, as NNI's files have it: parameters, and the final result whole."""

    parameter: dict[str, Any]
    value: Any


@dataclass(frozen=True)
class ExperimentRecord:
    """The experiment. Times are seconds since the epoch; `config` holds no secrets."""

    id: str
    name: str | None
    status: ExperimentStatus
    start_time: float
    end_time: float | None
    error: str | None
    config: dict[str, Any]
    search_space: dict[str, Any]
    optimize_mode: OptimizeMode
    max_trial_number: int | None
    trial_concurrency: int
    seed: int | None
    #: The process that writes the records: PID, start in clock ticks since the boot, machine, and since when.
    driver_pid: int | None
    driver_start: int | None
    driver_host: str | None
    driver_time: float | None

    @property
    def ended(self) -> bool:
        """Whether nothing more will happen, unless somebody resumes it."""
        return self.status != "RUNNING"


@dataclass(frozen=True)
class TrialRecord:
    """A trial as its latest attempt left it."""

    trial_id: str
    sequence: int
    status: TrialStatus
    parameters: dict[str, Any]
    attempt: int
    #: The final result's default metric; it may be NaN or infinite. None where there is none.
    value: float | None
    #: The final result whole, as the trial reported it.
    metric: Any
    create_time: float
    start_time: float | None
    end_time: float | None
    exit_code: int | None
    error: str | None
    machine: str | None
    gpu_indices: tuple[int, ...] | None
    #: Grows from end to end: the order in which the tuner learns of them.
    tuner_order: int | None
    #: How many ends of trials the tuner knew when it suggested the parameters.
    ends_before: int = 0
    #: The intermediate results of the latest attempt, whole, in order of arrival.
    intermediate: tuple[Any, ...] = ()

    @property
    def ended(self) -> bool:
        """Whether the trial is over, one way or another."""
        return self.status in ENDED


@dataclass(frozen=True)
class AttemptRecord:
    """One go at a trial; there are more when a machine was lost or the driver died."""

    trial_id: str
    attempt: int
    machine: str | None
    gpu_indices: tuple[int, ...] | None
    start_time: float | None
    end_time: float | None
    exit_code: int | None
    error: str | None
    #: A word for how it ended, the driver's own; None while it runs.
    outcome: str | None


@dataclass(frozen=True)
class NoticeRecord:
    """Something to tell the user. `number` grows from notice to notice."""

    number: int
    time: float
    level: NoticeLevel
    trial_id: str | None
    text: str


@dataclass(frozen=True)
class RequestRecord:
    """What a client wants of the driver: stop the experiment, kill a trial, or else what `payload` holds.

    `update` has the changed fields there, `trial` the parameters of a trial to run next, `import` a list of
    EarlierResult for the tuner.
    """

    id: int
    kind: RequestKind
    trial_id: str | None
    created: float
    payload: Any = None
