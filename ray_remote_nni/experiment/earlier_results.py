"""Results for a tuner to start from: NNI's JSON, or what another experiment came to. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from ray_remote_nni.errors import UsageError
from ray_remote_nni.experiment.spec import ExperimentSpec
from ray_remote_nni.records.model import EarlierResult, TrialRecord
from ray_remote_nni.tuner.space import OutsideSpace, parse_search_space
from ray_remote_nni.words import plural

_WRITERS = 'ray-nni export -t json and nnictl write such files: [{"parameter": {…}, "value": 0.9}, …].'


def read_results(text: str, source: str) -> list[EarlierResult]:
    """Read a list of {"parameter": …, "value": …}, as `export` and nnictl write it; more keys may be there.

    A value that is a string is read as the JSON in it, as NNI does. Raises UsageError, which names `source` and the
    entry.
    """
    try:
        entries = json.loads(text)
    except ValueError as error:
        raise UsageError(f"{source} is not JSON: {error}. {_WRITERS}") from error
    if not isinstance(entries, list):
        raise UsageError(f'{source} holds no list of results; one looks like {{"parameter": {{…}}, "value": 0.9}}.')
    return [_result(entry, f"{source}, entry {number}") for number, entry in enumerate(entries, 1)]


def results_of(trials: Sequence[TrialRecord]) -> list[EarlierResult]:
    """Return what an experiment's trials came to."""
    return [
        {"parameter": trial.parameters, "value": trial.metric}
        for trial in trials
        if trial.status == "SUCCEEDED" and trial.metric is not None
    ]


def told_of_use(count: int, of_use: int) -> str:
    """Return "12 earlier results", or how many of them the tuner can learn from."""
    if of_use == count:
        return plural(count, "earlier result")
    return f"{of_use or 'none'} of {plural(count, 'earlier result')}"


def learnt_notice(spec: ExperimentSpec, results: Sequence[EarlierResult]) -> str:
    """Return what is told of the tuner's having been given these."""
    # The search space of a tuner of the user's own is its own to read.
    unfit = [] if spec.own_tuner else outside(spec.search_space, [result["parameter"] for result in results])
    said = f"the tuner has learnt {told_of_use(len(results), len(results) - len(unfit))}"
    return (
        f"{said}: {'the others' if len(unfit) < len(results) else 'they'} lie outside the search space"
        if unfit
        else said
    )


def outside(search_space: Mapping[str, Any], configurations: Sequence[dict[str, Any]]) -> list[str]:
    """Return why, for each of these configurations that is none of NNI's search space: a tuner cannot learn from it."""
    space = parse_search_space(search_space)
    why = []
    for parameters in configurations:
        try:
            space.encode(parameters)
        except OutsideSpace as error:
            why.append(str(error))
    return why


def _result(entry: Any, where: str) -> EarlierResult:
    if not isinstance(entry, dict) or not isinstance(entry.get("parameter"), dict) or "value" not in entry:
        raise UsageError(f'{where}: a result looks like {{"parameter": {{…}}, "value": 0.9}}; found {_short(entry)}.')
    value = entry["value"]
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError as error:
            raise UsageError(f"{where}: the value {_short(value)} is no number.") from error
    return {"parameter": entry["parameter"], "value": value}


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else text[:57] + "…"
