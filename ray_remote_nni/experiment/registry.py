"""What the client remembers of its experiments: where each one's mirror is, and on which head its records are."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path

from ray_remote_nni.errors import NotFound, RayNniError
from ray_remote_nni.paths import experiments_folder, private_file
from ray_remote_nni.records.reader import RecordReader
from ray_remote_nni.records.schema import RECORDS_FILE


@dataclass(frozen=True)
class ExperimentEntry:
    """An experiment of this client.

    `directory` holds its mirror; `cluster` is the name of the cluster that it runs or ran on, `config` the file it
    came from, `started` its start in seconds since the epoch, `job` the Ray job of its latest driver. `tuner_needs` is
    what has to be installed for its tuner, besides what all need.
    """

    experiment_id: str
    name: str | None
    directory: str
    cluster: str
    config: str
    started: float
    code: str
    job: str
    tuner_needs: str | None = None

    @property
    def mirror(self) -> Path:
        """Return the path of the mirrored records; they may not be there yet."""
        return Path(self.directory) / RECORDS_FILE

    @property
    def trials_directory(self) -> Path:
        """Return the folder of the mirrored output of its trials."""
        return Path(self.directory) / "trials"

    @property
    def log_directory(self) -> Path:
        """Return the folder of what its own tuner and assessor said."""
        return Path(self.directory) / "log"

    def save(self) -> None:
        """Write the entry, whole or not at all."""
        with private_file(_file(self.experiment_id)) as file:
            json.dump(dataclasses.asdict(self), file, indent=1)

    def forget(self) -> None:
        """Remove the entry; what it points to is left alone."""
        _file(self.experiment_id).unlink(missing_ok=True)


def all_experiments() -> list[ExperimentEntry]:
    """Return the experiments of this client, the latest first."""
    entries = [_read(file) for file in experiments_folder().glob("*.json")]
    return sorted(entries, key=lambda entry: entry.started, reverse=True)


def find_experiment(experiment_id: str | None) -> ExperimentEntry:
    """Return the experiment with this id or name, the latest one for None. Raises NotFound."""
    entries = all_experiments()
    if experiment_id is None:
        if not entries:
            raise NotFound("There is no experiment yet. Start one: ray-nni run CONFIG")
        return entries[0]
    for entry in entries:
        if experiment_id in (entry.experiment_id, entry.name):
            return entry
    known = ", ".join(entry.experiment_id for entry in entries[:5]) or "none"
    raise NotFound(f"There is no experiment {experiment_id} here. The latest ones: {known}")


def experiments_with(trial_id: str) -> list[ExperimentEntry]:
    """Return the experiments that have this trial, by their mirrors as they are, the latest first."""
    return [entry for entry in all_experiments() if _has(entry, trial_id)]


def _has(entry: ExperimentEntry, trial_id: str) -> bool:
    if not entry.mirror.exists():
        return False
    try:
        with RecordReader(entry.mirror) as records:
            records.trial(trial_id)
    except RayNniError:
        # One whose records cannot be read is no answer, and no reason not to ask the others.
        return False
    return True


def _file(experiment_id: str) -> Path:
    return experiments_folder() / f"{experiment_id}.json"


def _read(file: Path) -> ExperimentEntry:
    try:
        return ExperimentEntry(**json.loads(file.read_text(encoding="utf-8")))
    except (ValueError, TypeError) as error:
        raise RayNniError(
            f"{file} is damaged: {error}. Remove it; the experiment's results are where they were."
        ) from error
