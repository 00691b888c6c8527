"""Run on the head for the client: takes an experiment's spec, and tells whether its code is there already."""

from __future__ import annotations

import json
import os
import sys

from ray_remote_nni.experiment.spec import write_spec
from ray_remote_nni.trial.code import has_code
from ray_remote_nni.trial.workspace import experiment_directory


def main() -> None:
    """Read {"experiment", "spec", "code"} from standard input; print {"code": whether it is there}.

    Without "spec" nothing is written: the experiment was here before.
    """
    os.umask(0o077)
    asked = json.load(sys.stdin)
    directory = experiment_directory(asked["experiment"])
    if asked.get("spec") is not None:
        write_spec(directory, asked["spec"])
    print(json.dumps({"code": has_code(asked["code"])}))
