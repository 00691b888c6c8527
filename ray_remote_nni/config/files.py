"""The files and folders that a config names: whether they are there, and the search space's content."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

from ray_remote_nni.config.json_source import parse_json
from ray_remote_nni.config.located import LocatedDict, LocatedList, LocatedScalar, Node, Source, text_of, to_plain
from ray_remote_nni.config.names import FieldPath
from ray_remote_nni.config.problems import Problem
from ray_remote_nni.config.search_space import check_search_space
from ray_remote_nni.config.text_file import Unreadable, read_text
from ray_remote_nni.config.values import resolve_path
from ray_remote_nni.config.yaml_source import Unparsable, parse_yaml

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
        if text is not None and not resolve_path(text, base).is_dir():
            message = f"{resolve_path(text, base)} is no directory"
            problems.append(source.problem(path, message, "Name the folder of the algorithm's module"))
    return problems


def _check_key_files(source: Source, base: Path) -> list[Problem]:
    machines = source.find(("trainingService", "machineList"))
    problems = []
    for index, machine in enumerate(machines.items if isinstance(machines, LocatedList) else ()):
        if not isinstance(machine, LocatedDict) or machine.given("password") is not None:
            continue
        text = text_of(machine.given("sshKeyFile"))
        if text is None:
            continue
        path = ("trainingService", "machineList", index, "sshKeyFile")
        name = text_of(machine.given("host")) or f"machine {index + 1}"
        key = resolve_path(text, base)
        if not key.is_file() and key == resolve_path(DEFAULT_KEY_FILE, base):
            message = f"{name}: there is no key file {key}, so your SSH agent and your other keys will be tried"
            problems.append(source.problem(path, message, "Name the key that this machine knows", level="warning"))
        elif not key.is_file():
            message = f"{name}: there is no key file {key}"
            remedy = "Name the private key, or remove the line to try your SSH agent and your usual keys"
            problems.append(source.problem(path, message, remedy))
        elif not os.access(key, os.R_OK):
            message = f"{name}: the key file {key} cannot be read"
            problems.append(source.problem(path, message, f"Make it readable for yourself: chmod 600 {key}"))
    return problems


def _check_code_directory(source: Source, base: Path) -> list[Problem]:
    text = text_of(source.root.given("trialCodeDirectory"))
    if text is None:
        return []
    directory = resolve_path(text, base)
    if directory.is_dir():
        return []
    what = "is not a directory" if directory.exists() else "does not exist"
    return [source.problem(("trialCodeDirectory",), f"{directory} {what}", "Name the folder of the trial's code")]


def load_search_space(source: Source, base: Path) -> tuple[dict[str, Any], list[Problem]]:
    """The search space, inline or from its file, and everything that is wrong with it."""
    annotation = source.find(("useAnnotation",))
    if isinstance(annotation, LocatedScalar) and annotation.value is True:
        remedy = (
            "Write the search space into search_space.json, name it with searchSpaceFile, and read the parameters in "
            "the trial with nni.get_next_parameter()"
        )
        return {}, [source.problem(("useAnnotation",), "NNI's annotations are not supported", remedy)]
    inline, file = source.root.given("searchSpace"), source.root.given("searchSpaceFile")
    if inline is not None and file is not None:
        mark = source.mark_of_key(("searchSpace",))
        message = "there is a searchSpaceFile too; accepted: exactly one of them"
        return {}, [source.problem(("searchSpace",), message, "Remove one of the two", mark=mark)]
    if inline is not None:
        return _checked(source, ("searchSpace",))
    if file is None:
        message = "there is no search space"
        remedy = "Add searchSpaceFile: search_space.json, or the space itself as searchSpace"
        return {}, [source.problem(("searchSpaceFile",), message, remedy, mark=source.root.mark)]
    text = text_of(file)
    # A list here, say, is refused by the model.
    return ({}, []) if not text else _from_file(source, resolve_path(text, base))


def _from_file(source: Source, path: Path) -> tuple[dict[str, Any], list[Problem]]:
    here = ("searchSpaceFile",)
    try:
        text = read_text(path)
    except Unreadable as error:
        return {}, [source.problem(here, f"{path}: {error.message}", error.remedy)]
    name = os.path.relpath(path) if not Path(source.file).is_absolute() else str(path)
    try:
        node = _parse(path, text)
    except Unparsable as error:
        return {}, [
            Problem(name, flaw.mark.line, flaw.mark.column, flaw.field, "error", flaw.message, flaw.remedy)
            for flaw in error.flaws
        ]
    if node is None:
        return {}, [source.problem(here, f"{path} is empty", "Write the search space into it")]
    if not isinstance(node, LocatedDict):
        message = "it holds no mapping of parameter names"
        return {}, [Problem(name, node.mark.line, node.mark.column, "", "error", message)]
    return _checked(replace(source, file=name, root=node, original_names={}), ())


def _parse(path: Path, text: str) -> Node | None:
    """JSON, else YAML, as NNI does; the error is about the one of the two that its author most likely meant."""
    if not text.strip():
        return None
    try:
        return parse_json(text)
    except Unparsable as json_error:
        try:
            node = parse_yaml(text)
        except Unparsable:
            if path.suffix == ".json" or text.lstrip().startswith("{"):
                raise json_error from None
            raise
        # The flaw of good JSON (a key that is there twice) is one of YAML as well.
        return node


def _checked(source: Source, path: FieldPath) -> tuple[dict[str, Any], list[Problem]]:
    node = source.find(path)
    space, flaws = check_search_space(None if node is None else to_plain(node))
    problems = []
    for flaw in flaws:
        place = (*path, *flaw.path)
        # A flaw of a parameter as a whole stands at its name.
        mark = source.mark_of_key(place) if len(flaw.path) % 2 == 1 else source.mark_of_value(place)
        problems.append(source.problem(place, flaw.message, flaw.remedy, level=flaw.level, mark=mark))
    return space, problems
