"""conda in a trialCommand: an interactive shell has learnt of it from ~/.bashrc, which shells of trials do not read."""

from __future__ import annotations

import re
import shlex
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path

_COMMAND = r"(?:^|[\s;&|(){])"
_CONDA = re.compile(rf"{_COMMAND}(?:conda|mamba)\s+\w", re.MULTILINE)
_MAMBA = re.compile(rf"{_COMMAND}mamba\s+\w", re.MULTILINE)
#: The way of conda before 4.4, which still works. A virtual environment's `activate` takes no name.
_SOURCED = re.compile(rf"{_COMMAND}(?:source|\.)\s+activate\s+[^\s;&|]", re.MULTILINE)
_LOADS = re.compile(r"conda\.sh|shell\.\w+\W+hook")
_USUAL_HOMES = ("miniconda3", "anaconda3", "miniforge3", "mambaforge", ".conda")


def with_conda(command: str, environment: Mapping[str, str], python_path: str | None) -> str:
    """Return the command, with what makes conda's commands and `source activate NAME` work before it.

    Nothing is added where none is used, where the command itself loads it, by `source .../conda.sh` or `conda
    shell.bash hook`, and where conda is not found.
    """
    uses = _CONDA.search(command) is not None
    if not (uses or _SOURCED.search(command)) or _LOADS.search(command):
        return command
    for home in _conda_homes(environment, python_path):
        if (home / "etc/profile.d/conda.sh").is_file():
            return "\n".join([*_preparation(home, command, uses), command])
    return command


def _preparation(home: Path, command: str, uses: bool) -> Iterator[str]:
    if uses:
        yield f". {shlex.quote(str(home / 'etc/profile.d/conda.sh'))}"
    mamba = home / "etc/profile.d/mamba.sh"
    if _MAMBA.search(command) and mamba.is_file():
        yield f". {shlex.quote(str(mamba))}"
    if _SOURCED.search(command) and (home / "bin/activate").is_file():
        # The shell looks for `activate` on PATH, where a virtual environment may have its own.
        yield f"PATH={shlex.quote(str(home / 'bin'))}:$PATH"


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
