"""`conda activate` in a trialCommand: a shell knows it only once conda's own script has told it."""

from __future__ import annotations

import re
import shlex
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path

_ACTIVATES = re.compile(r"\b(conda|mamba)\s+activate\b")
_LOADS = re.compile(r"conda\.sh|shell\.\w+\W+hook")
_USUAL_HOMES = ("miniconda3", "anaconda3", "miniforge3", "mambaforge", ".conda")


def with_conda(command: str, environment: Mapping[str, str], python_path: str | None) -> str:
    """Return the command, with the script before it that makes `conda activate` work, where it is used and found.

    An interactive shell has it from ~/.bashrc, which shells of trials do not read. A command that already loads it, by
    `source .../conda.sh` or `conda shell.bash hook`, is left alone.
    """
    if not _ACTIVATES.search(command) or _LOADS.search(command):
        return command
    for home in _conda_homes(environment, python_path):
        script = home / "etc/profile.d/conda.sh"
        if script.is_file():
            return f". {shlex.quote(str(script))}\n{command}"
    return command


def _conda_homes(environment: Mapping[str, str], python_path: str | None) -> Iterator[Path]:
    """Yield the folders that conda may be installed in, the likeliest first."""
    named = environment.get("CONDA_EXE") or shutil.which("conda", path=environment.get("PATH"))
    if named:
        yield Path(named).resolve().parents[1]
    if python_path:
        # .../miniconda3/bin, or .../miniconda3/envs/NAME/bin
        yield from Path(python_path).parents
    home = Path(environment.get("HOME", "/root"))
    yield from (home / name for name in _USUAL_HOMES)
    yield Path("/opt/conda")
