"""A trial's own folder on a machine: its copy of the code, its parameters, its output."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path

from ray_remote_nni.disk import why_full
from ray_remote_nni.trial.spec import TrialSpec
from ray_remote_nni.trial.working_copy import make_working_copy

#: What a program has in its last words, at least.
_SOME_BYTES = 2**16


def machine_root() -> Path:
    """Return ~/.ray-nni on the machine that this runs on."""
    return Path.home() / ".ray-nni"


def experiment_directory(experiment_id: str) -> Path:
    """Return an experiment's folder on a machine."""
    return machine_root() / "experiments" / experiment_id


@dataclass(frozen=True)
class Workspace:
    """The files of one trial; `directory` is NNI's NNI_SYS_DIR and NNI_OUTPUT_DIR."""

    directory: Path

    @property
    def code(self) -> Path:
        """The trial's working directory."""
        return self.directory / "code"

    @property
    def stdout(self) -> Path:
        """What the trial printed."""
        return self.directory / "stdout"

    @property
    def stderr(self) -> Path:
        """What it printed on standard error."""
        return self.directory / "stderr"

    @property
    def metrics(self) -> Path:
        """The file that the trial appends its metrics to."""
        return self.directory / ".nni" / "metrics"


def prepare_workspace(spec: TrialSpec, code: Path) -> Workspace:
    """Make a trial's folder from the machine's copy of the code.

    What an earlier attempt left on this machine is kept beside it, as TRIAL.attemptN.
    """
    workspace = Workspace(experiment_directory(spec.experiment_id) / "trials" / spec.trial_id)
    directory = str(workspace.directory)
    try:
        os.makedirs(directory)
    except FileExistsError:
        _set_aside(workspace.directory)
        os.mkdir(directory)
    os.mkdir(f"{directory}/.nni")
    make_working_copy(code, f"{directory}/code")
    parameters = {
        "parameter_id": spec.sequence,
        "parameter_source": "algorithm",
        "parameters": spec.parameters,
        "parameter_index": 0,
    }
    with open(f"{directory}/parameter.cfg", "w", encoding="utf-8") as file:
        file.write(json.dumps(parameters))
    return workspace


def _set_aside(directory: Path) -> None:
    number = 1
    while (aside := directory.with_name(f"{directory.name}.attempt{number}")).exists():
        number += 1
    directory.rename(aside)


def last_lines(file: Path, lines: int = 10, most_bytes: int = 4096) -> str:
    """Return the last lines of a file; empty where there is none."""
    try:
        with file.open("rb") as reading:
            size = reading.seek(0, 2)
            reading.seek(max(0, size - most_bytes))
            text = reading.read().decode(errors="replace")
    except OSError:
        return ""
    return "\n".join(text.rstrip().splitlines()[-lines:])


def no_room(folder: Path) -> str:
    """Return that nothing more can be written into a folder, its disk or a quota being full; empty where it can."""
    why = why_full(folder, _SOME_BYTES)
    return f"Nothing more can be written on its machine: {why}" if why else ""
