"""The states of experiments and trials in words and colours, the same in every view."""

from __future__ import annotations

from collections.abc import Mapping

from rich.text import Text

from ray_remote_nni.records import ExperimentStatus, TrialStatus

#: Word and colour of each state of a trial, in the order in which people want to know.
TRIAL_STATES: dict[TrialStatus, tuple[str, str]] = {
    "RUNNING": ("running", "cyan"),
    "WAITING": ("waiting", "dim"),
    "SUCCEEDED": ("succeeded", "green"),
    "FAILED": ("failed", "red"),
    "EARLY_STOPPED": ("early stopped", "yellow"),
    "USER_CANCELED": ("cancelled by the user", "yellow"),
    "SYS_CANCELED": ("cancelled by the system", "yellow"),
    "UNKNOWN": ("unknown", "magenta"),
}

EXPERIMENT_STYLES: dict[ExperimentStatus, str] = {
    "RUNNING": "bold cyan",
    "DONE": "bold green",
    "STOPPED": "bold yellow",
    "ERROR": "bold red",
}


def experiment_status_text(status: ExperimentStatus) -> Text:
    """Return an experiment's state as JSON has it, in its colour."""
    return Text(status, style=EXPERIMENT_STYLES.get(status, "bold"))


def trial_status_text(status: TrialStatus) -> Text:
    """Return a trial's state as JSON has it, in its colour."""
    return Text(status, style=TRIAL_STATES[status][1] if status in TRIAL_STATES else "")


def counts_text(counts: Mapping[TrialStatus, int], *, over: bool = False) -> Text:
    """Return "4 running, 11 succeeded, 1 failed"; in an experiment that is `over`, what waits does so for resume."""
    parts = [
        Text(f"{counts[status]} {'to run on resume' if over and status == 'WAITING' else word}", style=style)
        for status, (word, style) in TRIAL_STATES.items()
        if counts.get(status)
    ]
    return Text(", ").join(parts) if parts else Text("none yet", style="dim")
