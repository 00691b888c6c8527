"""What the job on the head is told of an experiment: plain values, in a file that only its owner can read."""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from ray_remote_nni.records.model import OptimizeMode

SPEC_FILE = "experiment.json"


@dataclass(frozen=True)
class MachineSpec:
    """How trials may use the machine that is node `index` of the cluster; `host` as written in the configuration.

    `max_trials` is None for no limit. `environment` is what its trials have besides, or in the stead, of the others.
    """

    index: int
    host: str = ""
    max_trials: int | None = None
    trials_per_gpu: int = 1
    use_active_gpu: bool = False
    environment: Mapping[str, str] = field(default_factory=dict)

    @property
    def binding(self) -> bool:
        """Tell whether a trial that this machine was chosen for must run there, and nowhere else."""
        return self.max_trials is not None or bool(self.environment)


@dataclass(frozen=True)
class ExperimentSpec:
    """An experiment, as the driver runs it.

    Durations are seconds, None for no limit; `trial_gpu_number` None leaves GPUs to the trials. `code` names the
    folder under ~/.ray-nni/code/. `config` goes into the records and holds no secrets. `base_environment` replaces
    what trials inherit from their machine: the caller's own, where the machine is the caller's.
    """

    experiment_id: str
    name: str | None
    config: Mapping[str, Any]
    search_space: Mapping[str, Any]
    tuner: str
    tuner_args: Mapping[str, Any]
    trial_command: str
    code: str
    trial_concurrency: int
    max_trial_number: int | None
    max_experiment_duration_s: float | None
    max_trial_duration_s: float | None
    trial_gpu_number: int | None
    trial_cpu_number: float
    trial_memory_bytes: int | None
    max_trial_retries: int
    trial_environment: Mapping[str, str]
    base_environment: Mapping[str, str] | None
    machines: tuple[MachineSpec, ...] = ()
    #: {"name", "class_args"} of a built-in assessor.
    assessor: Mapping[str, Any] | None = None
    #: {"class_name", "class_args", "code"} of a tuner and an assessor of the user's own; `code` as above.
    own_tuner: Mapping[str, Any] | None = None
    own_assessor: Mapping[str, Any] | None = None
    duplicates: Literal["avoid", "allow"] = "avoid"

    @property
    def pinned(self) -> bool:
        """Tell whether a trial must run on the very machine that was chosen for it, and nowhere else."""
        return bool(self.trial_gpu_number) or any(machine.binding for machine in self.machines)

    @property
    def optimize_mode(self) -> OptimizeMode:
        """Return maximize or minimize; the latter is the default of NNI's TPE, and not that of its web page."""
        if self.own_tuner is not None:
            beside = self.own_assessor or self.assessor or {"class_args": {}}
            mode = self.own_tuner["class_args"].get("optimize_mode") or beside["class_args"].get("optimize_mode")
            return "minimize" if mode == "minimize" else "maximize"
        return "maximize" if self.tuner_args.get("optimize_mode") == "maximize" else "minimize"

    @property
    def seed(self) -> int | None:
        """Return the tuner's seed."""
        seed = self.tuner_args.get("seed")
        return None if seed is None else int(seed)

    def to_json(self) -> str:
        """Return the text of the spec file."""
        return json.dumps(dataclasses.asdict(self), indent=1)


def write_spec(directory: Path, text: str) -> None:
    """Write a spec file into an experiment's folder, for its owner's eyes only."""
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    write_private(directory / SPEC_FILE, text)


def write_private(path: Path, text: str) -> None:
    """Write a file for its owner's eyes only, whole or not at all."""
    part = path.with_name(f"{path.name}.part")
    with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
        file.write(text)
    part.replace(path)


def read_spec(directory: Path) -> ExperimentSpec:
    """Read the spec from an experiment's folder."""
    known = json.loads((directory / SPEC_FILE).read_text(encoding="utf-8"))
    return ExperimentSpec(**{**known, "machines": tuple(MachineSpec(**machine) for machine in known["machines"])})
