"""What people are told when a trial ends: of each kind of failure once, however many trials it takes."""

from __future__ import annotations

import re
from collections.abc import Sequence

from ray_remote_nni.experiment.checkpoints import Checkpoints
from ray_remote_nni.experiment.outcome import Outcome
from ray_remote_nni.records.model import NoticeLevel, TrialRecord
from ray_remote_nni.trial.spec import Started, TrialSpec
from ray_remote_nni.tuner.needs import Needs

#: So many kinds of failure are told; whoever has more of them knows.
_MOST_KINDS = 10
#: When the first so many have all failed, something is wrong with all of them.
_HOPELESS = 10
_NUMBERS = re.compile(r"0x[0-9a-fA-F]+|\d+")


class EndNotices:
    """Knows what was told. `trials` are those of the experiment, some of which may have ended before."""

    def __init__(self, experiment_id: str, trials: Sequence[TrialRecord], needs: Needs) -> None:
        self._experiment_id = experiment_id
        self._checkpoints = Checkpoints(needs, trials)
        self._kinds: set[str] = set()
        self._failed = 0
        self._succeeded = False
        for trial in trials:
            self._succeeded |= trial.status == "SUCCEEDED"
            if trial.status == "FAILED":
                self._failed += 1
                self._kinds.add(_kind(trial.error or ""))

    def of(
        self, trial: TrialSpec, started: Started | None, exit_code: int, outcome: Outcome
    ) -> list[tuple[NoticeLevel, str]]:
        """Return what to tell of a trial's end, which is often nothing."""
        notices = self._checkpoints.of(trial, started, outcome)
        if outcome.status == "FAILED":
            return notices + self._of_failure(trial.trial_id, exit_code, outcome.error or "")
        self._succeeded |= outcome.status == "SUCCEEDED"
        return [*notices, ("warning", outcome.warning)] if outcome.warning else notices

    def _of_failure(self, trial_id: str, exit_code: int, error: str) -> list[tuple[NoticeLevel, str]]:
        notices: list[tuple[NoticeLevel, str]] = []
        kind = _kind(error)
        if kind not in self._kinds and len(self._kinds) < _MOST_KINDS:
            self._kinds.add(kind)
            said = "; nothing is in its stderr" if error == f"exit code {exit_code}" else f":\n{error}"
            notices.append(("error", f"trial {trial_id} failed with exit code {exit_code}{said}"))
        self._failed += 1
        if self._failed == _HOPELESS and not self._succeeded:
            notices.append(
                (
                    "warning",
                    f"the first {_HOPELESS} trials have all failed. What one of them printed: "
                    f"ray-nni logs {trial_id}. To end the experiment: ray-nni stop {self._experiment_id}",
                )
            )
        return notices


def _kind(error: str) -> str:
    """Return what failures of one kind have in common: their last line, whatever numbers are in it."""
    lines = error.strip().splitlines()
    return _NUMBERS.sub("#", lines[-1].strip()) if lines else ""
