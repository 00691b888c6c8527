"""Run on the head for the client: has an experiment go on with the code that was sent last."""

from __future__ import annotations

import dataclasses
import json
import os
import sys
from typing import Any

from ray_remote_nni.experiment.spec import read_spec, write_spec
from ray_remote_nni.trial.workspace import experiment_directory


def main() -> None:
    """Read {"experiment", "codes": {"trial", "tuner" or "assessor": name}} from standard input; print {"changed"}."""
    os.umask(0o077)
    asked = json.load(sys.stdin)
    codes: dict[str, str] = asked["codes"]
    directory = experiment_directory(asked["experiment"])
    spec = read_spec(directory)
    changed: list[str] = []
    changes: dict[str, Any] = {}
    for kind, code in codes.items():
        own = None if kind == "trial" else getattr(spec, f"own_{kind}")
        if kind == "trial" and spec.code != code:
            changes["code"] = code
        elif own is not None and own["code"] != code:
            changes[f"own_{kind}"] = {**own, "code": code}
        else:
            continue
        changed.append(kind)
    if changed:
        write_spec(directory, dataclasses.replace(spec, **changes).to_json())
    print(json.dumps({"changed": changed}))
