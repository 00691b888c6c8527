"""One moment of an experiment, as much of it as a live view shows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ray_remote_nni.records import ENDED, ExperimentRecord, NoticeRecord, RecordReader, TrialRecord, TrialStatus
from ray_remote_nni.words import plural


@dataclass(frozen=True)
class Snapshot:
    """What the records say at one moment; `running` trials carry only their last intermediate result."""

    experiment: ExperimentRecord
    counts: Mapping[TrialStatus, int]
    best: TrialRecord | None
    running: tuple[TrialRecord, ...]
    notices: tuple[NoticeRecord, ...]

    @property
    def ended(self) -> int:
        """How many trials are over."""
        return sum(count for status, count in self.counts.items() if status in ENDED)

    @property
    def progress(self) -> str:
        """Return "8 of 40 trials"; "8 trials" without a limit, or where it was lowered too late."""
        most = self.experiment.max_trial_number
        return (
            plural(self.ended, "trial")
            if most is None or self.ended > most
            else f"{self.ended} of {plural(most, 'trial')}"
        )


def take_snapshot(reader: RecordReader, since: int = 0, notices: int | None = None) -> Snapshot:
    """Read a snapshot; of the notices those after number `since`, and at most the newest `notices`."""
    with reader.snapshot():
        return Snapshot(
            experiment=reader.experiment(),
            counts=reader.counts(),
            best=reader.best(),
            running=tuple(reader.running()),
            notices=tuple(reader.notices(since, notices)),
        )


def elapsed_s(snapshot: Snapshot, now: float) -> float:
    """Return how long the experiment has taken so far, or took."""
    end_time = snapshot.experiment.end_time
    return max(0.0, (now if end_time is None else end_time) - snapshot.experiment.start_time)


def trial_title(trial: TrialRecord) -> str:
    """Return "trial 7 (x8Kb2)": people count, commands want the ID."""
    return f"trial {trial.sequence} ({trial.trial_id})"
