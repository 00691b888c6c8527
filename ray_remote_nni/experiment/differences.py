"""What `update` is about to change, for a person: old and new values. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ray_remote_nni.config.public import duration_text
from ray_remote_nni.records.model import ExperimentRecord


def differences(record: ExperimentRecord, changes: Mapping[str, Any]) -> list[str]:
    """Return for a person what these changes change: each field with its old and its new value."""
    told = []
    for name, value in changes.items():
        if name == "searchSpace":
            told.append(f"{name}: {_space_differences(record.search_space, value)}")
            continue
        old = {"trialConcurrency": record.trial_concurrency, "maxTrialNumber": record.max_trial_number}.get(
            name, record.config.get(name)
        )
        told.append(f"{name} {_shown(old)} → {_shown(value)}")
    return told


def _shown(value: Any) -> str:
    if value is None:
        return "no limit"
    # Durations are the only floats.
    return duration_text(value) if isinstance(value, float) else str(value)


def _space_differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> str:
    both = [name for name in new if name in old]
    parts = {
        "changed": [name for name in both if new[name] != old[name]],
        "new": [name for name in new if name not in old],
        "gone": [name for name in old if name not in new],
    }
    return ", ".join(f"{', '.join(names)} {what}" for what, names in parts.items() if names) or "as it was"
