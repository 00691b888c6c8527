"""The same trials for everybody: their code, their configuration, and what their own time stamps say."""

from __future__ import annotations

import os
import random
import shutil
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

CONCURRENCY = 4
#: The trials' Python: the one below this environment. What environments and shims do at each start costs more than the
#: trial, and would hide what everybody adds to it.
PYTHON = Path(sys.executable).resolve()
_TRIAL = Path(__file__).with_name("trial.py")
_OTHERS = ("RAY_", "NNI_", "SSH_", "PYTHON")


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


def write_code(folder: Path) -> Path:
    """Write the trial code directory into `folder` and return it."""
    code = folder / "code"
    code.mkdir(parents=True)
    shutil.copy(_TRIAL, code)
    return code


def write_config(folder: Path, trials: int, service: dict[str, Any]) -> Path:
    """Write the NNI configuration of the experiment, with its code, into `folder`."""
    write_code(folder)
    config = {
        "searchSpace": {
            "x": {"_type": "uniform", "_value": [-5, 5]},
            "y": {"_type": "choice", "_value": [0, 1, 2]},
        },
        "trialCommand": f"{PYTHON} trial.py",
        "trialCodeDirectory": "code",
        "trialConcurrency": CONCURRENCY,
        "maxTrialNumber": trials,
        "tuner": {"name": "TPE", "classArgs": {"optimize_mode": "minimize", "seed": 1}},
        "trainingService": service,
    }
    path = folder / "config.yml"
    path.write_text(yaml.safe_dump(config, sort_keys=False), encoding="utf-8")
    return path


def draw_parameters(rng: random.Random) -> dict[str, Any]:
    """Draw from the same search space, for those who have no tuner."""
    return {"x": rng.uniform(-5, 5), "y": rng.choice([0, 1, 2])}


def user_environment(home: Path) -> dict[str, str]:
    """Return the environment of a user whose home is `home`, and who has no settings for Ray, NNI or Python."""
    own = {name: value for name, value in os.environ.items() if not name.startswith(_OTHERS)}
    return {**own, "HOME": str(home)}
