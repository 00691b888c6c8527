"""The JSON that scripts read: experiments and trials in the shapes of the command-line contract."""

from __future__ import annotations

import json
import math
from datetime import datetime, timezone
from typing import Any

from ray_remote_nni.records.model import TrialRecord
from ray_remote_nni.records.reader import RecordReader


def experiment_json(reader: RecordReader) -> dict[str, Any]:
    """Return what `show --json`, and `run --json` at its end, print."""
    with reader.snapshot():
        experiment, counts, best = reader.experiment(), reader.counts(), reader.best()
    return {
        "experiment": experiment.id,
        "name": experiment.name,
        "status": experiment.status,
        "startTime": iso_time(experiment.start_time),
        "endTime": iso_time(experiment.end_time),
        "error": experiment.error,
        "optimizeMode": experiment.optimize_mode,
        "maxTrialNumber": experiment.max_trial_number,
        "trials": dict(counts),
        "best": None
        if best is None
        else {
            "trialId": best.trial_id,
            "sequence": best.sequence,
            "value": strict(best.value),
            "parameters": strict(best.parameters),
        },
    }


def trials_json(reader: RecordReader) -> list[dict[str, Any]]:
    """Return what `trials --json` prints."""
    return [trial_json(trial) for trial in reader.trials()]


def trial_json(trial: TrialRecord) -> dict[str, Any]:
    """Return one trial of `trials --json`."""
    host, port = machine_of(trial)
    return {
        "trialId": trial.trial_id,
        "sequence": trial.sequence,
        "status": trial.status,
        "parameters": strict(trial.parameters),
        "value": strict(trial.value),
        "metric": strict(trial.metric),
        "intermediate": strict(trial.intermediate),
        "machine": host,
        "machinePort": port,
        "gpuIndices": strict(trial.gpu_indices),
        "attempt": trial.attempt,
        "startTime": iso_time(trial.start_time),
        "endTime": iso_time(trial.end_time),
        "exitCode": trial.exit_code,
        "error": trial.error,
    }


def machine_of(trial: TrialRecord) -> tuple[str | None, int | None]:
    """Return the host of a trial's machine, and its SSH port where others of the cluster have the same host."""
    # A host is one word; what follows it is for such machines alone.
    host, _, port = (trial.machine or "").partition(" port ")
    return host or None, int(port) if port else None


def strict(value: Any) -> Any:
    """Return the value with every number that is not finite as the string "NaN", "Infinity" or "-Infinity"."""
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    if isinstance(value, dict):
        return {key: strict(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [strict(inner) for inner in value]
    return value


def strict_dumps(document: Any, indent: int | None = 2) -> str:
    """Return a document as RFC 8259 has it. Half surrogates, which UTF-8 cannot carry, become escapes."""
    text = json.dumps(strict(document), ensure_ascii=False, allow_nan=False, indent=indent)
    return text.encode(errors="backslashreplace").decode()


def iso_time(seconds: float | None) -> str | None:
    """Return seconds since the epoch as ISO 8601 in UTC with milliseconds: 2026-11-24T08:15:30.120Z."""
    if seconds is None:
        return None
    # Rounded first: isoformat would cut 0.1999999 down to 0.199.
    moment = datetime.fromtimestamp(round(seconds * 1000) / 1000, timezone.utc)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def parse_time(text: str | None) -> float | None:
    """Return what `iso_time` was given, to the millisecond."""
    return None if text is None else datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()
