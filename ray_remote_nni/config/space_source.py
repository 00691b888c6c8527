"""Where the search space stands, inline or in a file of its own, and what is wrong with it there."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

from ray_remote_nni.config.algorithms import named_tuner
from ray_remote_nni.config.annotations import read_annotations
from ray_remote_nni.config.json_source import parse_json
from ray_remote_nni.config.located import LocatedDict, LocatedScalar, Node, Source, text_of, to_plain
from ray_remote_nni.config.names import FieldPath, nearest
from ray_remote_nni.config.problems import Problem
from ray_remote_nni.config.search_space import EXAMPLE, SpaceProblem, check_search_space
from ray_remote_nni.config.text_file import Unreadable, read_text
from ray_remote_nni.config.tuner_spaces import unsupported
from ray_remote_nni.config.values import resolve_path
from ray_remote_nni.config.yaml_source import Unparsable, parse_yaml


class _NoSpace(Exception):
    def __init__(self, *problems: Problem) -> None:
        self.problems = list(problems)
        super().__init__()


def load_search_space(source: Source, base: Path) -> tuple[dict[str, Any], list[Problem]]:
    """The search space, inline or from its file, and everything that is wrong with it.

    A tuner of one's own decides itself what its search space looks like: it is passed on unchecked.
    """
    try:
        place, path = _find(source, base)
    except _NoSpace as error:
        return {}, error.problems
    node = place.find(path)
    space = None if node is None else to_plain(node)
    if isinstance(space, dict) and source.find(("tuner", "className")) is not None:
        return space, []
    checked, flaws = check_search_space(space)
    if not any(flaw.level == "error" for flaw in flaws):
        flaws += unsupported(named_tuner(source), checked)
    return checked, [_problem(place, path, flaw) for flaw in flaws]


def _find(source: Source, base: Path) -> tuple[Source, FieldPath]:
    """The source that holds the space, and the path to it in there. Raises _NoSpace."""
    annotation = source.find(("useAnnotation",))
    if isinstance(annotation, LocatedScalar) and annotation.value is True:
        raise _NoSpace(*_without_annotations(source, base))
    inline, file = source.root.given("searchSpace"), source.root.given("searchSpaceFile")
    if inline is not None and file is not None:
        mark = source.mark_of_key(("searchSpace",))
        message = "there is a searchSpaceFile too; accepted: exactly one of them"
        raise _NoSpace(source.problem(("searchSpace",), message, "Remove one of the two", mark=mark))
    if inline is not None:
        return source, ("searchSpace",)
    if file is None and source.find(("tuner", "className")) is not None:
        # NNI 1.x asked for none: such a tuner may know itself what to try.
        raise _NoSpace()
    if file is None and ("searchSpace",) in source.elsewhere:
        raise _NoSpace()
    if file is None:
        message = "there is no search space"
        name = source.name(("searchSpaceFile",))
        inline_too = ", or the space itself as searchSpace" if name == "searchSpaceFile" else ""
        remedy = f"Add {name}: search_space.json{inline_too}"
        empty = source.root.get("searchSpace") or source.root.get("searchSpaceFile")
        mark = empty.mark if empty is not None else source.root.mark
        raise _NoSpace(source.problem(("searchSpaceFile",), message, remedy, mark=mark))
    text = text_of(file)
    if not text:
        # The model refuses what is no text.
        raise _NoSpace()
    return _read(source, resolve_path(text, base)), ()


def _without_annotations(source: Source, base: Path) -> list[Problem]:
    """The refusal of annotations, as NNI 3.0 has it too, with all that is to be written in their place."""
    directory = resolve_path(text_of(source.root.given("trialCodeDirectory")) or ".", base)
    shown = str(directory) if Path(source.file).is_absolute() else os.path.relpath(directory)
    annotated = read_annotations(directory, shown)
    file = source.name(("searchSpaceFile",))
    message = "NNI's annotations are not supported, as in NNI 3.0"
    if not annotated.problems:
        none = f"There is none in the Python files of {shown}: remove" if directory.is_dir() else "Remove"
        remedy = f"{none} this, and add {file}: search_space.json"
        return [source.problem(("useAnnotation",), message, remedy)]
    if not annotated.space:
        remedy = f"None of what is named below says which values a parameter has: remove this, and add {file}"
        return [source.problem(("useAnnotation",), message, remedy), *annotated.problems]
    space = json.dumps(annotated.space, ensure_ascii=False)
    asking = "" if annotated.asks else ", call nni.get_next_parameter() before the first of them"
    remedy = (
        f"Remove this, add {file}: search_space.json, write into that file: {space}, import nni at the top of the "
        f"files named below{asking}, and write what is said for each line"
    )
    return [source.problem(("useAnnotation",), message, remedy), *annotated.problems]


def _read(source: Source, path: Path) -> Source:
    here = ("searchSpaceFile",)
    # As the reader of a message would write it: relative to where they are, if that is how they named the config.
    name = str(path) if Path(source.file).is_absolute() else os.path.relpath(path)
    try:
        node = parse_space(path, read_text(path))
    except Unreadable as error:
        close = None if path.exists() else _neighbour(path)
        remedy = error.remedy if close is None else f"Check the path; the nearest name there is {close}"
        raise _NoSpace(source.problem(here, f"{path}: {error.message}", remedy)) from error
    except Unparsable as error:
        flaws = [
            Problem(name, flaw.mark.line, flaw.mark.column, flaw.field, "error", flaw.message, flaw.remedy)
            for flaw in error.flaws
        ]
        raise _NoSpace(*flaws) from error
    if node is None:
        raise _NoSpace(source.problem(here, f"{path} is empty", "Write the search space into it"))
    if not isinstance(node, LocatedDict):
        message = "it holds no mapping of parameter names"
        remedy = f"Write one, such as {EXAMPLE}"
        raise _NoSpace(Problem(name, node.mark.line, node.mark.column, "", "error", message, remedy))
    return replace(source, file=name, root=node, original_names={})


def _neighbour(path: Path) -> str | None:
    """The file beside a missing one that its name may have meant."""
    try:
        names = [entry.name for entry in os.scandir(path.parent) if entry.name.endswith((".json", ".yml", ".yaml"))]
    except OSError:
        return None
    return nearest(path.name, names)


def parse_space(path: Path, text: str) -> Node | None:
    """JSON, else YAML, as NNI does; the error is about the one of the two that its author most likely meant."""
    if not text.strip():
        return None
    try:
        return parse_json(text)
    except Unparsable as json_error:
        try:
            return parse_yaml(text)
        except Unparsable:
            if path.suffix == ".json" or text.lstrip().startswith("{"):
                raise json_error from None
            raise


def _problem(source: Source, path: FieldPath, flaw: SpaceProblem) -> Problem:
    place = (*path, *flaw.path)
    is_name = bool(flaw.path) and isinstance(flaw.path[-1], str) and flaw.path[-1] not in ("_type", "_value", "_name")
    mark = source.mark_of_key(place) if is_name else source.mark_of_value(place)
    return source.problem(place, flaw.message, flaw.remedy, level=flaw.level, mark=mark)
