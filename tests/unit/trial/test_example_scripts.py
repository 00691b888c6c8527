"""The trial scripts in `configs/` run as NNI scripts do, with the stand-in as their only `nni`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).parents[3]


def run_trial(script: str, parameters: dict[str, Any], sys_dir: Path) -> list[tuple[str, float]]:
    """Run a script of `configs/` as a trial; return its metrics, each with its type."""
    record = {"parameter_id": 0, "parameter_source": "algorithm", "parameters": parameters}
    (sys_dir / "parameter.cfg").write_text(json.dumps(record))
    path = PROJECT / "configs" / script
    environment = {
        **os.environ,
        "PYTHONPATH": str(PROJECT / "ray_remote_nni" / "trial" / "standin"),
        "PYTHONDONTWRITEBYTECODE": "1",
        "NNI_PLATFORM": "local",
        "NNI_SYS_DIR": str(sys_dir),
    }
    done = subprocess.run([sys.executable, path.name], cwd=path.parent, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    lines = (sys_dir / ".nni" / "metrics").read_text().splitlines()
    records = [json.loads(line[len("ME000000") :]) for line in lines]
    return [(record["type"], float(json.loads(record["value"]))) for record in records]


def test_the_quickstarts_trial_finds_the_value_of_its_function(tmp_path: Path) -> None:
    ((kind, value),) = run_trial("quickstart/branin.py", {"x": 9.42478, "y": 2.475}, tmp_path)
    assert kind == "FINAL"
    assert abs(value - 0.397887) < 1e-4


def test_the_digits_are_learnt(tmp_path: Path) -> None:
    parameters = {"hidden_size": 64, "activation": "relu", "lr": 0.005, "alpha": 0.0001, "batch_size": 32}
    *epochs, final = run_trial("digits/digits.py", parameters, tmp_path)
    assert len(epochs) == 12
    assert {kind for kind, _ in epochs} == {"PERIODICAL"}
    assert final == ("FINAL", epochs[-1][1])
    assert epochs[0][1] < 0.95 < final[1]
