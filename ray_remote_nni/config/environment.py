"""`${NAME}` and `${NAME:-default}` in a config's texts, so that passwords stay out of the file."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace

from ray_remote_nni.config.located import LocatedDict, LocatedList, Node, Source
from ray_remote_nni.config.names import FieldPath, fold
from ray_remote_nni.config.problems import Problem
from ray_remote_nni.config.public import looks_secret
from ray_remote_nni.config.yaml_source import resolve_plain

# These are shell commands: the shell of the machine that runs the trial fills in their variables, as in NNI,
# and many (NNI_OUTPUT_DIR, CUDA_VISIBLE_DEVICES) exist only there.
_SHELL_COMMANDS = {
    ("trialcommand",),
    ("trainingservice", "trialcommand"),
    ("trainingservice", "machinelist", "trialpreparecommand"),
    ("trial", "command"),
    ("machinelist", "precommand"),
}

_VARIABLE = re.compile(r"\$(\$\{)|\$\{(?:([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?\})?")


def substitute(source: Source, environ: Mapping[str, str]) -> tuple[Source, list[Problem]]:
    """The source with its variables filled in, and a problem for each that is not set.

    `$${` stands for a literal `${`.
    """
    substitution = _Substitution(source, environ)
    root = substitution.node(source.root, ())
    assert isinstance(root, LocatedDict)
    return replace(source, root=root), substitution.problems


class _Substitution:
    def __init__(self, source: Source, environ: Mapping[str, str]) -> None:
        self.problems: list[Problem] = []
        self._source = source
        self._environ = environ

    def node(self, node: Node, path: FieldPath) -> Node:
        if isinstance(node, LocatedDict):
            entries = (replace(entry, value=self.node(entry.value, (*path, entry.key))) for entry in node.entries)
            return replace(node, entries=tuple(entries))
        if isinstance(node, LocatedList):
            return replace(node, items=tuple(self.node(item, (*path, i)) for i, item in enumerate(node.items)))
        if not isinstance(node.value, str) or "${" not in node.value or self._is_shell_command(path):
            return node
        text = _VARIABLE.sub(lambda match: self._value(match, path), node.value)
        value = self._typed(text) if node.plain else text
        return replace(node, text=text, value=value, template=node.value)

    @staticmethod
    def _typed(text: str) -> str | int | float | bool | None:
        """As if the text had been written there: `${N:-4}` is a number, and an empty one is no value at all."""
        value = resolve_plain(text)
        return text if value is None and text else value

    @staticmethod
    def _is_shell_command(path: FieldPath) -> bool:
        folded = tuple(fold(step) for step in path if isinstance(step, str))
        return folded in _SHELL_COMMANDS

    @staticmethod
    def _placeholder(match: re.Match[str], path: FieldPath) -> str:
        if any(looks_secret(step) for step in path if isinstance(step, str)):
            return "this ${ starts no variable"
        end = match.string.find("}", match.start())
        return f"found {match.string[match.start() : end + 1]!r}" if end > 0 else "found ${ without its }"

    def _value(self, match: re.Match[str], path: FieldPath) -> str:
        if match.group(1):
            return match.group(1)
        name, default = match.group(2), match.group(3)
        if name is None:
            self.problems.append(
                self._source.problem(
                    path,
                    f"{self._placeholder(match, path)}; a variable is ${{NAME}} or ${{NAME:-default}}",
                    "Write the value itself, or $${ for a literal ${",
                )
            )
            return match.group()
        value = self._environ.get(name)
        if default is not None:
            return value or default
        if value is None:
            self.problems.append(
                self._source.problem(
                    path,
                    f"the environment variable {name} is not set",
                    f"Set it: export {name}=..., or give a default: ${{{name}:-default}}",
                )
            )
            return match.group()
        return value
