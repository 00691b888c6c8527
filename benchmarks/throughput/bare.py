"""The bare trial processes, started by `xargs -P`: nothing can be faster, and nothing is recorded."""

from __future__ import annotations

import json
import os
import random
import subprocess
import tempfile
import time
from pathlib import Path

import ray_remote_nni
from benchmarks.throughput.measurement import Measurement, load
from benchmarks.throughput.trials import (
    CODE,
    CONCURRENCY,
    Workload,
    draw_parameters,
    read_window,
    user_environment,
)

#: What trials import as `nni` where there is none, as they do in ray-nni.
STANDIN = Path(ray_remote_nni.__file__).parent / "trial/standin"


def run_xargs(workload: Workload) -> Measurement:
    """Run the trials, each in a folder made ready before the clock starts."""
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        folder = Path(name)
        folders = _trial_folders(folder, workload.trials)
        output = folder / "stdout"
        before, began = load(), time.monotonic()
        with output.open("ab") as writing:
            # `env` costs an exec and no process: it becomes the trial.
            each = ["env", "NNI_SYS_DIR=FOLDER", str(workload.python), "trial.py"]
            subprocess.run(
                ["xargs", "-P", str(CONCURRENCY), "-I", "FOLDER", *each],
                input="\n".join(map(str, folders)),
                text=True,
                stdout=writing,
                cwd=CODE,
                env=trial_environment(folder),
                check=True,
            )
        wall_s = time.monotonic() - began
        return Measurement(read_window([output.read_text()], workload.trials), wall_s, before)


def trial_environment(home: Path) -> dict[str, str]:
    """Return what a trial needs beside its folder."""
    return {
        **user_environment(home),
        "PYTHONPATH": str(STANDIN),
        "NNI_PLATFORM": "local",
        "NNI_EXP_ID": "bench",
        "NNI_TRIAL_JOB_ID": "bench",
        "NNI_TRIAL_SEQ_ID": "0",
        "NNI_OUTPUT_DIR": os.devnull,
    }


def _trial_folders(folder: Path, trials: int) -> list[Path]:
    rng = random.Random(1)
    folders = [folder / f"trial-{number}" for number in range(trials)]
    for number, trial in enumerate(folders):
        (trial / ".nni").mkdir(parents=True)
        record = {"parameter_id": number, "parameters": draw_parameters(rng)}
        (trial / "parameter.cfg").write_text(json.dumps(record))
    return folders
