"""Values that know where in a file they stand."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from ray_remote_nni.config.names import FieldPath, dotted, fold
from ray_remote_nni.config.problems import Level, Problem


@dataclass(frozen=True)
class Mark:
    """A place in a file; both numbers count from 1."""

    line: int
    column: int


@dataclass(frozen=True)
class LocatedScalar:
    """A text, number, boolean or null.

    `text` is the value as written, without quotes: it keeps what a number's or boolean's value loses (`010`, `yes`).
    `plain` says that it was written without quotes. `template` is what stands in the file where environment
    variables were filled in.
    """

    value: str | int | float | bool | None
    text: str
    plain: bool
    mark: Mark
    template: str | None = None


@dataclass(frozen=True)
class LocatedList:
    """A list of values."""

    items: tuple[Node, ...]
    mark: Mark


@dataclass(frozen=True)
class Entry:
    """A key, as written, with its value."""

    key: str
    mark: Mark
    value: Node


@dataclass(frozen=True)
class LocatedDict:
    """A mapping; its keys are texts and each is there once."""

    entries: tuple[Entry, ...]
    mark: Mark

    def get(self, name: str) -> Entry | None:
        """The entry of this name: in the same spelling if there is one, else as NNI compares names."""
        for entry in self.entries:
            if entry.key == name:
                return entry
        for entry in self.entries:
            if fold(entry.key) == fold(name):
                return entry
        return None

    def given(self, name: str) -> Node | None:
        """The value of this name; None also where it is null, which to NNI is the same as not given."""
        entry = self.get(name)
        return None if entry is None or is_null(entry.value) else entry.value

    def without(self, *names: str) -> LocatedDict:
        """A copy that lacks these names, whatever their spelling."""
        folded = {fold(name) for name in names}
        return replace(self, entries=tuple(entry for entry in self.entries if fold(entry.key) not in folded))

    def extended(self, entries: Iterable[Entry]) -> LocatedDict:
        """A copy with these entries at its end."""
        return replace(self, entries=(*self.entries, *entries))


Node = LocatedScalar | LocatedList | LocatedDict


def is_null(node: Node) -> bool:
    """True for a null, written or left empty."""
    return isinstance(node, LocatedScalar) and node.value is None


def to_plain(node: Node) -> Any:
    """The value as Python's own dicts, lists and scalars."""
    if isinstance(node, LocatedDict):
        return {entry.key: to_plain(entry.value) for entry in node.entries}
    if isinstance(node, LocatedList):
        return [to_plain(item) for item in node.items]
    return node.value


def text_of(node: Node | None) -> str | None:
    """The text of a scalar that is not null, else None."""
    return node.text if isinstance(node, LocatedScalar) and node.value is not None else None


def describe(node: Node, *, items: bool = False) -> str:
    """What a message says was found. Never what may be a secret: the inside of a mapping, a variable.

    The inside of a list is only told with `items`.
    """
    if isinstance(node, LocatedDict):
        return "a mapping"
    if isinstance(node, LocatedList):
        if items and 0 < len(node.items) <= 16:
            return f"[{', '.join(map(describe, node.items))}]"
        return f"a list of {len(node.items)}" if node.items else "an empty list"
    if node.value is None:
        return "nothing"
    if node.template is not None:
        return f"the value of {node.template}"
    text = node.text if len(node.text) <= 60 else node.text[:57] + "..."
    return text if node.plain and not isinstance(node.value, str) else repr(text)


@dataclass(frozen=True)
class Source:
    """A parsed file. `original_names` tells how a moved or renamed field is called in the file itself.

    `elsewhere` are fields that stand in a wrong place, which was said: that they are missing need not be said too.
    """

    file: str
    root: LocatedDict
    original_names: Mapping[FieldPath, str] = field(default_factory=dict)
    elsewhere: frozenset[FieldPath] = frozenset()

    def name(self, path: FieldPath) -> str:
        """The field's dotted path as the file's author knows it."""
        for length in range(len(path), 0, -1):
            original = self.original_names.get(path[:length])
            if original is not None:
                rest = dotted(path[length:])
                return original + ("." if rest and not rest.startswith("[") else "") + rest
        return dotted(path)

    def find(self, path: FieldPath) -> Node | None:
        """The value at this path, if there is one."""
        node: Node = self.root
        for step in path:
            if isinstance(step, str) and isinstance(node, LocatedDict):
                entry = node.get(step)
                if entry is None:
                    return None
                node = entry.value
            elif isinstance(step, int) and isinstance(node, LocatedList) and step < len(node.items):
                node = node.items[step]
            else:
                return None
        return node

    def mark_of_value(self, path: FieldPath) -> Mark:
        """Where the value at this path starts; for a missing one, where its nearest relative does."""
        node = self.find(path)
        if node is None:
            return self.mark_of_key(path[:-1])
        return node.mark

    def mark_of_key(self, path: FieldPath) -> Mark:
        """Where the key of this path starts; an item of a list has none, so its value counts."""
        if not path:
            return self.root.mark
        parent = self.find(path[:-1])
        if isinstance(path[-1], str) and isinstance(parent, LocatedDict):
            entry = parent.get(path[-1])
            if entry is not None:
                return entry.mark
        node = self.find(path)
        return self.mark_of_key(path[:-1]) if node is None else node.mark

    def problem(
        self,
        path: FieldPath,
        message: str,
        remedy: str | None = None,
        *,
        level: Level = "error",
        mark: Mark | None = None,
    ) -> Problem:
        """A problem with the value at this path, unless `mark` names another place."""
        at = mark or self.mark_of_value(path)
        return Problem(self.file, at.line, at.column, self.name(path), level, message, remedy)
