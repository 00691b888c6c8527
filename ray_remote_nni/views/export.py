"""Results as a file for other programs: the trials with a final result, as JSON or CSV, in nnictl's shape."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Mapping
from typing import Any

from ray_remote_nni.records import RecordReader, TrialRecord
from ray_remote_nni.records.shapes import strict, strict_dumps
from ray_remote_nni.views.format import flatten

#: The columns beside those of parameters, with nnictl's names where it has one.
VALUE, TRIAL_ID, SEQUENCE, INTERMEDIATE = "reward", "trialJobId", "sequence", "intermediate"


def export_json(reader: RecordReader, intermediate: bool = False) -> str:
    """Return a JSON list of {"parameter", "value", "trialJobId", "sequence"}; `value` is the final result whole.

    nnictl's `experiment import`, and ours, take it back. With `intermediate` those results are in it too.
    """
    return strict_dumps(
        [
            {"parameter": trial.parameters, "value": trial.metric, TRIAL_ID: trial.trial_id, SEQUENCE: trial.sequence}
            | ({INTERMEDIATE: trial.intermediate} if intermediate else {})
            for trial in _with_result(reader)
        ]
    )


def export_csv(reader: RecordReader, intermediate: bool = False) -> str:
    """Return CSV, a row for each trial: its parameters, `reward`, `trialJobId`, `sequence`.

    The columns come from the search space, so they are the same whatever the trials; a nested choice is the column of
    its `_name`s, followed by one for each parameter below it. What a final result that is a dict holds beside
    `default` follows as `metric.NAME`.
    """
    trials = _with_result(reader)
    rows = [_row(trial, intermediate) for trial in trials]
    parameters = list(dict.fromkeys(columns(reader.experiment().search_space)))
    for trial in trials:
        parameters += [name for name in flatten(trial.parameters) if name not in parameters]
    extras = list(dict.fromkeys(name for trial in trials for name in _extras(trial)))
    own = [VALUE, *extras, TRIAL_ID, SEQUENCE, *([INTERMEDIATE] if intermediate else [])]
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([_column(name) for name in parameters] + own)
    for row in rows:
        writer.writerow([_cell(row.get(name)) for name in [*map(_column, parameters), *own]])
    return text.getvalue()


def columns(search_space: Mapping[str, Any], prefix: str = "") -> Iterable[str]:
    """Yield the names that `flatten` can give to this space's parameters, in order."""
    for name, domain in search_space.items():
        yield prefix + name
        options = domain.get("_value", ()) if isinstance(domain, dict) and domain.get("_type") == "choice" else ()
        for option in options:
            if isinstance(option, dict) and "_name" in option:
                below = {key: inner for key, inner in option.items() if key != "_name"}
                yield from columns(below, f"{prefix}{name}.")


def _with_result(reader: RecordReader) -> list[TrialRecord]:
    return [trial for trial in reader.trials() if trial.status == "SUCCEEDED" and trial.metric is not None]


def _row(trial: TrialRecord, intermediate: bool) -> dict[str, Any]:
    row = {_column(name): value for name, value in flatten(trial.parameters).items()}
    row |= {VALUE: trial.value, TRIAL_ID: trial.trial_id, SEQUENCE: trial.sequence} | _extras(trial)
    return row | ({INTERMEDIATE: list(trial.intermediate)} if intermediate else {})


def _column(parameter: str) -> str:
    taken = parameter in (VALUE, TRIAL_ID, SEQUENCE, INTERMEDIATE) or parameter.startswith("metric.")
    return f"parameter.{parameter}" if taken else parameter


def _extras(trial: TrialRecord) -> dict[str, Any]:
    if not isinstance(trial.metric, dict):
        return {}
    return {f"metric.{name}": value for name, value in trial.metric.items() if name != "default"}


def _cell(value: Any) -> Any:
    if isinstance(value, list | dict | bool):
        return json.dumps(strict(value), ensure_ascii=False)
    return strict(value)
