"""Results of elsewhere: which of them are new. Pure."""

from __future__ import annotations

import json
from collections.abc import Sequence

from ray_remote_nni.records.model import EarlierResult


def new_results(results: Sequence[EarlierResult], known: Sequence[EarlierResult]) -> list[int]:
    """Return the places of those that are none of `known`, each once: with other parameters, or another value."""
    seen = {_key(result) for result in known}
    new = []
    for place, result in enumerate(results):
        if (key := _key(result)) not in seen:
            seen.add(key)
            new.append(place)
    return new


def _key(result: EarlierResult) -> str:
    return json.dumps([result["parameter"], result["value"]], sort_keys=True)
