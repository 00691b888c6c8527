"""Notices that machines do not share a tuner's folder of checkpoints: one of them lacks what another saved there."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ray_remote_nni.experiment.outcome import Outcome
from ray_remote_nni.records.model import NoticeLevel, TrialRecord
from ray_remote_nni.trial.spec import Started, TrialSpec
from ray_remote_nni.tuner.needs import Needs


class Checkpoints:
    """Knows which machine's trial saved where. Many a script that finds nothing begins anew without a word."""

    def __init__(self, needs: Needs, trials: Iterable[TrialRecord]) -> None:
        """`trials` are those of the experiment, some of which may have ended before."""
        self._needs = needs
        self._machines: dict[str, str] = {}
        self._told = False
        for trial in trials:
            if trial.status == "SUCCEEDED" and trial.machine is not None:
                self._saved(trial.parameters, trial.machine)

    def of(self, trial: TrialSpec, started: Started | None, outcome: Outcome) -> list[tuple[NoticeLevel, str]]:
        """Return what to tell of a trial that has ended: once, if it was to go on from what its machine has not."""
        if started is None:
            return []
        there = self._machines.get(trial.loads or "", started.machine)
        if outcome.status == "SUCCEEDED":
            self._saved(trial.parameters, started.machine)
        if self._told or not started.missing or there == started.machine:
            return []
        self._told = True
        what = f"trial {trial.trial_id} was to go on from {trial.loads}, which a trial on {there} has saved"
        remedy = f"{self._needs.shared_folder} must be a folder that all machines share"
        return [("warning", f"{what} and {started.machine} does not have: {remedy}")]

    def _saved(self, parameters: Mapping[str, Any], machine: str) -> None:
        if self._needs.saves is not None and isinstance(folder := parameters.get(self._needs.saves), str):
            self._machines[folder] = machine
