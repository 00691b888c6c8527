"""NNI's annotations, which it removed in 3.0: the search space that they mean, and what to write instead.

An annotation is a string that stands alone and starts with `@nni.`. Source of its rules: nni/tools/annotation of
NNI 2.10, and its page "NNI Annotation".
"""

from __future__ import annotations

import ast
import json
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ray_remote_nni.config.problems import Problem
from ray_remote_nni.config.search_space import RANGE_TYPES

_START = "@nni."
# NNI before 1.0 had no annotations, but functions that draw a parameter; they went on working.
_DRAWING = ("choice", "function_choice", *RANGE_TYPES)
_DIRECT = re.compile(rf"\bnni\.(?:{'|'.join(_DRAWING)})\(")
_REPORTS = ("report_intermediate_result", "report_final_result")
_OF_ARCHITECTURES = ("mutable_layers", "training_update")


class _Misused(Exception):
    """An annotation that NNI would not take; says why."""


@dataclass
class Annotated:
    """What was found in a code directory: `space` is NNI's search space, `problems` has one entry per annotation."""

    space: dict[str, Any] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    asks: bool = False  # whether something asks for parameters
    owners: dict[str, tuple[str, dict[str, Any]]] = field(default_factory=dict)  # of each name: its file and its spec


def read_annotations(directory: Path, shown_directory: str) -> Annotated:
    """Everything in the Python files of a directory; `shown_directory` is how messages call it."""
    annotated = Annotated()
    for file in _python_files(directory):
        text = file.read_text(encoding="utf-8", errors="replace")
        if _START not in text and _DIRECT.search(text) is None:
            continue
        shown = os.path.join(shown_directory, file.relative_to(directory))
        try:
            tree = ast.parse(text)
        except (SyntaxError, ValueError) as error:
            line = getattr(error, "lineno", None)
            problem = Problem(shown, line, None, "", "error", "its annotations cannot be read: it is no valid Python")
            annotated.problems.append(problem)
            continue
        annotated.asks |= "nni.get_next_parameter(" in text
        reader = _Reader(annotated, shown)
        reader.statements(tree)
        reader.direct_calls(tree)
    annotated.problems.sort(key=lambda problem: (problem.file or "", problem.line or 0, problem.column or 0))
    return annotated


def _python_files(directory: Path) -> Iterator[Path]:
    for parent, folders, files in os.walk(directory):
        here = Path(parent)
        folders[:] = sorted(
            name
            for name in folders
            if not name.startswith(".") and name != "__pycache__" and not (here / name / "pyvenv.cfg").exists()
        )
        yield from (here / name for name in sorted(files) if name.endswith(".py"))


class _Reader:
    def __init__(self, annotated: Annotated, file: str) -> None:
        self._annotated = annotated
        self._file = file

    def statements(self, node: ast.AST) -> None:
        """Read the annotations in a block, each with the statement below it."""
        for _, value in ast.iter_fields(node):
            if not isinstance(value, list):
                continue
            for index, item in enumerate(value):
                text = _annotation(item)
                if text is not None:
                    below = value[index + 1] if index + 1 < len(value) else None
                    self._read(item, text, below)
                elif isinstance(item, ast.AST):
                    self.statements(item)

    def direct_calls(self, tree: ast.AST) -> None:
        """Read the calls of nni.choice(...), nni.uniform(...) and the like in the code itself."""
        for node in ast.walk(tree):
            if not isinstance(node, ast.Call) or _DIRECT.match(ast.unparse(node)) is None:
                continue
            try:
                message, remedy = "this call is a parameter", f"Write in its place: {self._direct(node)}"
            except _Misused as error:
                message, remedy = f"{ast.unparse(node.func)}: {error}", ""
            problem = Problem(self._file, node.lineno, node.col_offset + 1, "", "error", message, remedy or None)
            self._annotated.problems.append(problem)

    def _direct(self, call: ast.Call) -> str:
        kind = _nni_function(call)
        # Without a name, NNI named a parameter after its line.
        given = _target(call) if call.keywords else ast.Constant(f"line{call.lineno}")
        if not isinstance(given, ast.Constant) or not isinstance(given.value, str):
            raise _Misused("its name is no text")
        target = ast.Name(given.value)
        if kind in RANGE_TYPES:
            return self._parameter(target, {"_type": kind, "_value": [_number(arg) for arg in call.args]})
        if len(call.args) == 1 and isinstance(table := call.args[0], ast.Dict):
            names = [_named(key) for key in table.keys]
            parameter = self._parameter(target, {"_type": "choice", "_value": names})
            return f"{ast.unparse(table)}[{parameter}]" + ("()" if kind == "function_choice" else "")
        if kind == "function_choice":
            names = [ast.unparse(arg) for arg in call.args]
            parameter = self._parameter(target, {"_type": "choice", "_value": names})
            pairs = ", ".join(f"{name!r}: {name}" for name in names)
            return f"{{{pairs}}}[{parameter}]()"
        return self._chosen(target, call.args, lazy=False)

    def _read(self, node: ast.stmt, text: str, below: ast.stmt | None) -> None:
        try:
            message, remedy = self._rewritten(text, below)
        except _Misused as error:
            name = text.partition("(")[0] if "\n" in text else text
            message, remedy = f"{name}: {error}", None
        self._annotated.problems.append(
            Problem(self._file, node.lineno, node.col_offset + 1, "", "error", message, remedy)
        )

    def _rewritten(self, text: str, below: ast.stmt | None) -> tuple[str, str]:
        call = _call(text)
        function = _nni_function(call)
        if function == "get_next_parameter":
            return "the parameters are asked for here", "Write: nni.get_next_parameter()"
        if function in _REPORTS:
            return "a metric is reported here", f"Write: {ast.unparse(call)}"
        if function in _OF_ARCHITECTURES:
            raise _Misused("it is part of NNI's architecture search, which is not supported")
        if function not in ("variable", "function_choice"):
            raise _Misused("there is no such annotation")
        target = _target(call)
        if below is None:
            raise _Misused("there is no statement below it")
        if function == "variable":
            return "the assignment below it is a parameter", f"Write there: {self._variable(call, target, below)}"
        return "a call in the statement below it is a parameter", f"Write there: {self._functions(call, target, below)}"

    def _variable(self, call: ast.Call, target: ast.expr, below: ast.stmt) -> str:
        if not isinstance(below, ast.Assign) or len(below.targets) != 1:
            raise _Misused("the statement below it is no simple assignment")
        if ast.dump(below.targets[0]) != ast.dump(_stored(target)):
            raise _Misused(f"it names {ast.unparse(target)}, and {ast.unparse(below.targets[0])} is assigned below it")
        if len(call.args) != 1 or not isinstance(call.args[0], ast.Call):
            raise _Misused("it takes one function of a range or choice, such as nni.choice(1, 2)")
        inner = call.args[0]
        kind = _nni_function(inner)
        if kind == "choice":
            value = self._chosen(target, inner.args, lazy=False)
        elif kind in RANGE_TYPES:
            value = self._parameter(target, {"_type": kind, "_value": [_number(arg) for arg in inner.args]})
        else:
            raise _Misused(f"nni.{kind} is no type of a parameter")
        return f"{ast.unparse(target)} = {value}"

    def _functions(self, call: ast.Call, target: ast.expr, below: ast.stmt) -> str:
        value = ast.parse(self._chosen(target, call.args, lazy=True), mode="eval").body
        replacer = _Replacer({ast.dump(arg) for arg in call.args}, value)
        if not isinstance(below, ast.Assign | ast.AnnAssign | ast.AugAssign | ast.Expr | ast.Return):
            return f"{ast.unparse(value)}, in place of the call"
        rewritten = replacer.visit(below)
        if not replacer.found:
            raise _Misused("none of its calls is in the statement below it")
        return ast.unparse(rewritten)

    def _chosen(self, target: ast.expr, values: list[ast.expr], lazy: bool) -> str:
        """The code that turns a choice into its value; what is no number or text is named by its own code."""
        if not lazy and all(_is_plain(value) for value in values):
            return self._parameter(target, {"_type": "choice", "_value": [ast.literal_eval(value) for value in values]})
        names = [ast.literal_eval(value) if _is_plain(value) else ast.unparse(value) for value in values]
        parameter = self._parameter(target, {"_type": "choice", "_value": names})
        before, after = ("lambda: ", "()") if lazy else ("", "")
        table = ", ".join(f"{name!r}: {before}{ast.unparse(value)}" for name, value in zip(names, values, strict=True))
        return f"{{{table}}}[{parameter}]{after}"

    def _parameter(self, target: ast.expr, spec: dict[str, Any]) -> str:
        """The code that reads a parameter, which is added to the space under a name that no other one has."""
        plain = ast.unparse(target).removeprefix("self.")
        module = self._file.rpartition(os.sep)[2].removesuffix(".py")
        candidates = [plain, f"{module}.{plain}", *(f"{module}.{plain}.{number}" for number in range(2, 1000))]
        # Within a file, what has one name is one parameter; in two files there are two.
        mine = (self._file, spec)
        name = next(name for name in candidates if self._annotated.owners.get(name, mine) == mine)
        self._annotated.owners[name] = mine
        self._annotated.space[name] = spec
        return f"nni.get_current_parameter({json.dumps(name)})"


class _Replacer(ast.NodeTransformer):
    def __init__(self, calls: set[str], value: ast.expr) -> None:
        self.found = False
        self._calls = calls
        self._value = value

    def visit(self, node: ast.AST) -> Any:
        if isinstance(node, ast.expr) and ast.dump(node) in self._calls:
            self.found = True
            return self._value
        return self.generic_visit(node)


def _annotation(node: Any) -> str | None:
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
        text = node.value.value.strip()
        return text if text.startswith(_START) else None
    return None


def _call(text: str) -> ast.Call:
    try:
        node = ast.parse(text[1:], mode="eval").body
    except SyntaxError as error:
        raise _Misused("it is no valid Python") from error
    if not isinstance(node, ast.Call):
        raise _Misused("it is no call")
    return node


def _nni_function(call: ast.Call) -> str:
    function = call.func
    if isinstance(function, ast.Attribute) and isinstance(function.value, ast.Name) and function.value.id == "nni":
        return function.attr
    raise _Misused(f"{ast.unparse(function)} is no function of nni")


def _target(call: ast.Call) -> ast.expr:
    if len(call.keywords) != 1 or call.keywords[0].arg != "name":
        raise _Misused("it needs the argument name, and no other one with a name")
    return call.keywords[0].value


def _stored(target: ast.expr) -> ast.expr:
    """The same expression as it is on the left of an assignment."""
    try:
        statement = ast.parse(f"{ast.unparse(target)} = 0").body[0]
    except SyntaxError as error:
        raise _Misused(f"{ast.unparse(target)} cannot be assigned to") from error
    assert isinstance(statement, ast.Assign)
    return statement.targets[0]


def _is_plain(value: ast.expr) -> bool:
    return isinstance(value, ast.Constant) and isinstance(value.value, str | int | float)


def _named(key: ast.expr | None) -> Any:
    if key is None or not _is_plain(key):
        raise _Misused("a key of its choices is neither a text nor a number")
    return ast.literal_eval(key)


def _number(value: ast.expr) -> int | float:
    try:
        number = ast.literal_eval(value)
    except ValueError:
        number = None
    if isinstance(number, bool) or not isinstance(number, int | float):
        raise _Misused(f"found {ast.unparse(value)}; accepted: a number")
    return number
