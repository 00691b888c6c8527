"""A trial that runs for real under a real guard."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from code_values import put_code
from trial_values import trial_spec

from ray_remote_nni.trial.run import Machine, run_attempt
from ray_remote_nni.trial.spec import Ended, TrialEvent
from ray_remote_nni.trial.workspace import Workspace, experiment_directory


@dataclass
class ATrial:
    """A trial that no other test has, and the machine that it runs on."""

    trial_id: str
    machine: Machine
    code: Path

    @property
    def workspace(self) -> Workspace:
        return Workspace(experiment_directory("exp12345") / "trials" / self.trial_id)

    def attempt(self, command: str, **spec: Any) -> Iterator[list[TrialEvent]]:
        spec = {"trial_id": self.trial_id, "command": command, **spec}
        return run_attempt(trial_spec(**spec), self.machine, put_code(self.code))

    def run(self, command: str, **spec: Any) -> list[TrialEvent]:
        return [event for batch in self.attempt(command, **spec) for event in batch]


def end_of(events: list[TrialEvent]) -> Ended:
    assert isinstance(events[-1], Ended), events
    return events[-1]
