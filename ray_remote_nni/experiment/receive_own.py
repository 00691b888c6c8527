"""Run on the head for the client: has a tuner or assessor of the user's own go on with the code that was sent last."""

from __future__ import annotations

import dataclasses
import json
import os
import sys
from typing import Any

from ray_remote_nni.experiment.spec import read_spec, write_spec
from ray_remote_nni.trial.workspace import experiment_directory


def main() -> None:
    """Read {"experiment", "own": {kind: name of its code}} from standard input; print {"changed": kinds}."""
    os.umask(0o077)
    asked = json.load(sys.stdin)
    directory = experiment_directory(asked["experiment"])
    spec = read_spec(directory)
    changes: dict[str, Any] = {}
    for kind, code in asked["own"].items():
        own = getattr(spec, f"own_{kind}")
        if own is not None and own["code"] != code:
            changes[f"own_{kind}"] = {**own, "code": code}
    if changes:
        write_spec(directory, dataclasses.replace(spec, **changes).to_json())
    print(json.dumps({"changed": [kind.removeprefix("own_") for kind in changes]}))
