"""Which trials are those that somebody added."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from experiment_values import new_records

from ray_remote_nni.experiment.added import added_trials
from ray_remote_nni.records.reader import RecordReader
from ray_remote_nni.records.schema import RECORDS_FILE


def _added(folder: Path, *configurations: dict[str, Any]) -> list[str]:
    with new_records(folder / RECORDS_FILE) as store:
        for sequence, (trial_id, x) in enumerate((("old", 0.25), ("own", 0.5), ("new", 0.25), ("again", 0.25))):
            store.add_trial(trial_id, sequence, {"x": x})
        with RecordReader(folder / RECORDS_FILE) as records:
            return added_trials({"old"}, records.trials(), configurations)


def test_added_trials_are_the_new_ones_with_these_parameters_each_once_and_in_order(tmp_path: Path) -> None:
    assert _added(tmp_path, {"x": 0.25}, {"x": 0.25}) == ["new", "again"]


def test_unless_all_have_been_taken_none_is_named(tmp_path: Path) -> None:
    assert _added(tmp_path, {"x": 0.25}, {"x": 0.75}) == []
