"""The same trials for everybody: their code, their configuration, and what their own time stamps say."""

from __future__ import annotations

import os
import random
import sys
import venv
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

CONCURRENCY = 4
#: The trial code directory.
CODE = Path(__file__).with_name("trial-code")
_OTHERS = ("RAY_", "NNI_", "SSH_", "PYTHON")


@dataclass(frozen=True)
class Workload:
    """What is to be run: so many trials, in the Python whose executable `python` is."""

    trials: int
    python: Path


@dataclass(frozen=True)
class Window:
    """From the start of the first trial to the end of the last, both as written down by the trials themselves."""

    trials: int
    seconds: float

    @property
    def trial_ms(self) -> float:
        """Milliseconds from one trial to the next."""
        return 1000 * self.seconds / self.trials


def read_window(stamps: Iterable[str], trials: int) -> Window:
    """Read what trials printed: lines of two times each. Raises ValueError where a trial's line is missing."""
    spans = [tuple(map(float, line.split())) for text in stamps for line in text.splitlines()]
    if len(spans) != trials:
        raise ValueError(f"{trials} trials were started, and {len(spans)} came to their end")
    return Window(trials, max(end for _, end in spans) - min(start for start, _ in spans))


def write_config(folder: Path, workload: Workload, service: dict[str, Any]) -> Path:
    """Write the NNI configuration of the experiment into `folder`."""
    config = {
        "searchSpace": {
            "x": {"_type": "uniform", "_value": [-5, 5]},
            "y": {"_type": "choice", "_value": [0, 1, 2]},
        },
        "trialCommand": f"{workload.python} trial.py",
        "trialCodeDirectory": str(CODE),
        "trialConcurrency": CONCURRENCY,
        "maxTrialNumber": workload.trials,
        "tuner": {"name": "TPE", "classArgs": {"optimize_mode": "minimize", "seed": 1}},
        "trainingService": service,
    }
    folder.mkdir(parents=True)
    path = folder / "config.yml"
    path.write_text(yaml.safe_dump(config, sort_keys=False), encoding="utf-8")
    return path


def own_python() -> Path:
    """Return the Python below this environment: no shim, and without this environment's start-up code."""
    return Path(sys.executable).resolve()


def make_lean_python(folder: Path) -> Path:
    """Make an environment with no packages at all: no Python starts sooner."""
    venv.create(folder, symlinks=True, with_pip=False)
    return folder / "bin/python3"


def draw_parameters(rng: random.Random) -> dict[str, Any]:
    """Draw from the same search space, for those who have no tuner."""
    return {"x": rng.uniform(-5, 5), "y": rng.choice([0, 1, 2])}


def user_environment(home: Path) -> dict[str, str]:
    """Return the environment of a user whose home is `home`, and who has no settings for Ray, NNI or Python."""
    own = {name: value for name, value in os.environ.items() if not name.startswith(_OTHERS)}
    return {**own, "HOME": str(home)}
