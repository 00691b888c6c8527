"""The same trials through Ray Tune with HyperOptSearch, in an environment that has what `ray[tune]` needs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
import tempfile
from importlib import metadata
from pathlib import Path

from benchmarks.throughput.bare import trial_environment
from benchmarks.throughput.measurement import Measurement, load
from benchmarks.throughput.trials import CODE, Workload, read_window

#: Far more than it takes, should it hang.
_START_TIMEOUT_S, _TRIAL_TIMEOUT_S = 120.0, 8.0
_EXPERIMENT = Path(__file__).with_name("tune_experiment.py")


def tune_python() -> Path:
    """Return a Python with Ray Tune: this one's packages, and in an environment of its own, kept, what they lack."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "ray-nni-benchmarks"
    ray = metadata.version("ray")
    environment = cache / f"tune-{ray}-{sys.implementation.cache_tag}"
    python = environment / "bin/python"
    ready = environment / "ready"
    packages = sysconfig.get_path("purelib")
    if not ready.is_file() or ready.read_text() != packages:
        subprocess.run([sys.executable, "-m", "venv", "--clear", environment], check=True)
        site_packages = next(environment.glob("lib/python3*/site-packages"))
        (site_packages / "shared.pth").write_text(f"{packages}\n")
        subprocess.run([python, "-m", "pip", "install", "--quiet", f"ray[tune]=={ray}"], check=True)
        ready.write_text(packages)
    return python


def run_tune(python: Path, workload: Workload) -> Measurement:
    """Run the trials with Ray Tune in `python`, each the same process in a function trainable that waits for no CPU."""
    with tempfile.TemporaryDirectory(prefix="bt-") as name:
        folder = Path(name)
        settings = {
            "trials": workload.trials,
            "folder": str(folder),
            "code": str(CODE),
            "python": str(workload.python),
            "environment": trial_environment(folder),
        }
        before = load()
        # In a session of its own: Tune looks at the terminal, if it has one, and would be stopped in the background.
        done = subprocess.run(
            [python, _EXPERIMENT],
            input=json.dumps(settings),
            capture_output=True,
            text=True,
            env={**trial_environment(folder), "PYTHONPATH": ""},
            check=False,
            start_new_session=True,
            timeout=_START_TIMEOUT_S + _TRIAL_TIMEOUT_S * workload.trials,
        )
        if done.returncode != 0:
            raise RuntimeError(f"Ray Tune failed:\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}")
        printed = [file.read_text() for file in folder.glob("trials/*/stdout")]
        wall_s = json.loads(done.stdout.splitlines()[-1])["wall_s"]
        return Measurement(read_window(printed, workload.trials), wall_s, before)
