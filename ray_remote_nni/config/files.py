"""The files and folders that a config names: whether they are there."""

from __future__ import annotations

import os
from pathlib import Path

from ray_remote_nni.config.located import LocatedDict, LocatedList, Mark, Source, text_of
from ray_remote_nni.config.names import FieldPath
from ray_remote_nni.config.problems import Problem
from ray_remote_nni.config.values import resolve_path

# NNI's default. To name it is not to say more than to name none.
DEFAULT_KEY_FILE = "~/.ssh/id_rsa"


def check_files(source: Source, base: Path) -> list[Problem]:
    """A problem for each key file, code directory and algorithm directory that is not there.

    Looks at the located values, not at models: a file that is missing is worth saying beside any other error.
    """
    problems = _check_key_files(source, base) + _check_code_directory(source, base)
    for algorithm in ("tuner", "assessor"):
        path = (algorithm, "codeDirectory")
        text = text_of(source.find(path))
        problems += _check_directory(source, path, text, base, "Name the folder of the algorithm's module")
    return problems


def _check_key_files(source: Source, base: Path) -> list[Problem]:
    machines = source.find(("trainingService", "machineList"))
    problems: dict[Mark, Problem] = {}
    for index, machine in enumerate(machines.items if isinstance(machines, LocatedList) else ()):
        if not isinstance(machine, LocatedDict) or machine.given("password") is not None:
            continue
        text = text_of(machine.given("sshKeyFile"))
        if text is None:
            continue
        path = ("trainingService", "machineList", index, "sshKeyFile")
        # A value that YAML's merging puts into several machines is worth one message.
        place = source.mark_of_value(path)
        if place in problems:
            continue
        key = resolve_path(text, base)
        if not key.is_file() and key == resolve_path(DEFAULT_KEY_FILE, base):
            message = f"there is no key file {key}, so your SSH agent and your other keys will be tried"
            remedy = "Name the key that this machine knows"
            problems[place] = source.problem(path, message, remedy, level="warning")
        elif not key.is_file():
            message = f"there is no key file {key}"
            remedy = "Name the private key, or remove the line to try your SSH agent and your usual keys"
            problems[place] = source.problem(path, message, remedy)
        elif not os.access(key, os.R_OK):
            message = f"the key file {key} cannot be read"
            problems[place] = source.problem(path, message, f"Make it readable for yourself: chmod 600 {key}")
    return list(problems.values())


def _check_code_directory(source: Source, base: Path) -> list[Problem]:
    text = text_of(source.root.given("trialCodeDirectory"))
    return _check_directory(source, ("trialCodeDirectory",), text, base, "Name the folder of the trial's code")


def _check_directory(source: Source, path: FieldPath, text: str | None, base: Path, remedy: str) -> list[Problem]:
    if text is None or not text.isprintable() or (directory := resolve_path(text, base)).is_dir():
        return []
    what = "is not a directory" if directory.exists() else "does not exist"
    return [source.problem(path, f"{directory} {what}", remedy)]
