"""YAML text into located values, strictly: what YAML would hide (a key written twice) is an error."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import NamedTuple

import yaml

from ray_remote_nni.config.located import Entry, LocatedDict, LocatedList, LocatedScalar, Mark, Node

# An alias may be used again and again, and ten lines of them can stand for a billion values.
MAX_VALUES = 1_000_000
# Python's stack limits what can be walked; no experiment comes near.
MAX_DEPTH = 200
# Python turns neither a longer one into a float, nor a much longer one into a number at all.
MAX_DIGITS = 300

# Spaces that come with text out of web pages and word processors.
_ODD_SPACE = re.compile("[\u00a0\u2000-\u200b\u202f\u3000]")

_TAG = "tag:yaml.org,2002:"
_SCALAR_TAGS = {_TAG + kind for kind in ("str", "int", "float", "bool", "null", "timestamp", "value")}


@dataclass(frozen=True)
class Flaw:
    """Something wrong with a text as such, before any field has a meaning."""

    mark: Mark
    message: str
    remedy: str | None = None
    field: str = ""

    def __str__(self) -> str:
        """Place, message and remedy, to be put after the name of the file."""
        remedy = f" {self.remedy}." if self.remedy else ""
        return f"{self.mark.line}:{self.mark.column}: {self.message}.{remedy}"


TOO_LONG = (f"this number has more than {MAX_DIGITS} digits", "Write a smaller one, or put it in quotes")
TOO_DEEP = Flaw(Mark(1, 1), f"lists and mappings are nested more than {MAX_DEPTH} deep", "Check the brackets")


class Unparsable(Exception):
    """The text cannot be read as YAML or JSON; `flaws` says where and why."""

    def __init__(self, flaws: list[Flaw]) -> None:
        self.flaws = flaws
        super().__init__(flaws[0].message)


def parse_yaml(text: str) -> Node | None:
    """The one document of a text, or None if it is empty. Raises Unparsable."""
    try:
        loader = yaml.SafeLoader(text)
        root = loader.get_single_node()
        if root is None:
            return None
        reader = _Reader(loader)
        node = reader.convert(root)
    except yaml.MarkedYAMLError as error:
        raise Unparsable([_explain(error, text)]) from error
    except yaml.reader.ReaderError as error:
        raise Unparsable([_explain_character(error, text)]) from error
    except RecursionError as error:
        raise Unparsable([TOO_DEEP]) from error
    if reader.flaws:
        raise Unparsable(reader.flaws)
    return node


def resolve_plain(text: str) -> str | int | float | bool | None:
    """The value that YAML gives to this text where it stands without quotes."""
    if len(text) > MAX_DIGITS:
        return text
    loader = yaml.SafeLoader("")
    tag = loader.resolve(yaml.ScalarNode, text, (True, False))  # type: ignore[no-untyped-call]
    node = yaml.ScalarNode(tag, text)
    try:
        return _scalar_value(loader, node)
    except (yaml.YAMLError, ValueError, OverflowError):
        return text


class _Measured(NamedTuple):
    """A value; how many values it stands for with all its aliases written out, and how deep they go."""

    node: Node
    size: int
    depth: int


class _Reader:
    """Turns PyYAML's nodes into located values, each once, and gathers the flaws on the way."""

    def __init__(self, loader: yaml.SafeLoader) -> None:
        self.flaws: list[Flaw] = []
        self._loader = loader
        self._done: dict[int, _Measured] = {}
        self._open: set[int] = set()

    def convert(self, node: yaml.Node) -> Node:
        root = self._measured(node)
        if root.depth > MAX_DEPTH:
            self.flaws.append(TOO_DEEP)
        if root.size > MAX_VALUES:
            flaw = Flaw(Mark(1, 1), f"its aliases stand for more than {MAX_VALUES:,} values", "Use fewer aliases")
            self.flaws.append(flaw)
        return root.node

    def _measured(self, node: yaml.Node) -> _Measured:
        known = self._done.get(id(node))
        if known is not None:
            return known
        mark = _mark(node.start_mark)
        if id(node) in self._open:
            self.flaws.append(Flaw(mark, "this value contains itself through an alias", "Write it out"))
            return _leaf(LocatedScalar(None, "", True, mark))
        self._open.add(id(node))
        measured = self._build(node, mark)
        self._open.discard(id(node))
        self._done[id(node)] = measured
        return measured

    def _build(self, node: yaml.Node, mark: Mark) -> _Measured:
        if isinstance(node, yaml.MappingNode) and node.tag == _TAG + "map":
            keys = self._entries(node)
            parts = [self._measured(value) for _, _, value in keys]
            entries = (Entry(key, at, part.node) for (key, at, _), part in zip(keys, parts, strict=True))
            return _whole(LocatedDict(tuple(entries), mark), parts)
        if isinstance(node, yaml.SequenceNode) and node.tag == _TAG + "seq":
            parts = [self._measured(item) for item in node.value]
            return _whole(LocatedList(tuple(part.node for part in parts), mark), parts)
        if isinstance(node, yaml.ScalarNode) and node.tag in _SCALAR_TAGS:
            if node.tag == _TAG + "int" and len(node.value) > MAX_DIGITS:
                self.flaws.append(Flaw(mark, *TOO_LONG))
                return _leaf(LocatedScalar(node.value, node.value, True, mark))
            try:
                value = _scalar_value(self._loader, node)
            except (yaml.YAMLError, ValueError, OverflowError):
                value = node.value
                self.flaws.append(Flaw(mark, "this value does not fit its type", "Put it in quotes"))
            return _leaf(LocatedScalar(value, node.value, node.style is None, mark))
        self.flaws.append(_tag_flaw(mark))
        return _leaf(LocatedScalar(None, "", True, mark))

    def _entries(self, node: yaml.MappingNode) -> list[tuple[str, Mark, yaml.Node]]:
        """Keys with their values: the mapping's own, then those merged in with `<<` that it lacks."""
        own: dict[str, tuple[str, Mark, yaml.Node]] = {}
        merged: list[yaml.MappingNode] = []
        for key_node, value_node in node.value:
            mark = _mark(key_node.start_mark)
            if key_node.tag == _TAG + "merge":
                merged += self._merged_mappings(value_node)
            elif not isinstance(key_node, yaml.ScalarNode) or key_node.tag not in _SCALAR_TAGS:
                self.flaws.append(Flaw(mark, "a list or mapping cannot be a field's name", "Write a text"))
            elif key_node.value in own:
                first = own[key_node.value][1]
                self.flaws.append(
                    Flaw(mark, f"this key is there twice, first in line {first.line}", "Keep one", key_node.value)
                )
            else:
                own[key_node.value] = (key_node.value, mark, value_node)
        for mapping in merged:
            if id(mapping) in self._open:
                self.flaws.append(Flaw(_mark(mapping.start_mark), "this mapping merges itself into itself"))
                continue
            self._open.add(id(mapping))
            for entry in self._entries(mapping):
                own.setdefault(entry[0], entry)
            self._open.discard(id(mapping))
        return list(own.values())

    def _merged_mappings(self, node: yaml.Node) -> list[yaml.MappingNode]:
        candidates = node.value if isinstance(node, yaml.SequenceNode) else [node]
        mappings = [candidate for candidate in candidates if isinstance(candidate, yaml.MappingNode)]
        if len(mappings) < len(candidates):
            self.flaws.append(Flaw(_mark(node.start_mark), "<< merges mappings only", "Name an alias of one"))
        return mappings


def _leaf(node: Node) -> _Measured:
    return _Measured(node, 1, 1)


def _whole(node: Node, parts: list[_Measured]) -> _Measured:
    return _Measured(node, 1 + sum(part.size for part in parts), 1 + max((part.depth for part in parts), default=0))


def _scalar_value(loader: yaml.SafeLoader, node: yaml.ScalarNode) -> str | int | float | bool | None:
    if node.tag in (_TAG + "timestamp", _TAG + "value"):
        # JSON, in which every parameter travels, knows no dates: such a value is its text.
        return str(node.value)
    value = loader.construct_object(node)
    assert value is None or isinstance(value, str | int | float)
    return value


def _mark(mark: yaml.Mark) -> Mark:
    return Mark(mark.line + 1, mark.column + 1)


def _tag_flaw(mark: Mark) -> Flaw:
    return Flaw(mark, "a value that starts with ! is a YAML tag, and none is accepted here", "Put the value in quotes")


def _explain(error: yaml.MarkedYAMLError, text: str) -> Flaw:
    """A flaw in our own words. PyYAML's quote the file, and what stands there may be a password."""
    at = error.problem_mark or error.context_mark
    mark = Mark(1, 1) if at is None else _mark(at)
    opened = None if error.context_mark is None else _mark(error.context_mark)
    problem = error.problem or ""
    line = text.splitlines()[mark.line - 1] if mark.line <= len(text.splitlines()) else ""
    if "'\\t'" in problem or line[: mark.column].strip(" ").startswith("\t"):
        indents = not line[: mark.column - 1].strip()
        remedy = "Indent with spaces only" if indents else "Write a space in its place"
        return Flaw(mark, "a tab stands where YAML wants spaces", remedy)
    for number, near in enumerate(text.splitlines()[max(0, mark.line - 2) : mark.line], max(1, mark.line - 1)):
        if (odd := _ODD_SPACE.search(near)) is not None:
            message = f"a space of another kind (U+{ord(odd.group()):04X}) stands where YAML wants a plain one"
            return Flaw(Mark(number, odd.start() + 1), message, "Type it anew")
    if re.search(r"\$\{[A-Za-z_0-9]*(:-)?$", line[: mark.column]):
        message = "a ${...} inside [ ] or { } must be in quotes, since { starts a mapping there"
        return Flaw(mark, message, 'Put the value in double quotes: "${NAME}"')
    if "undefined alias" in problem:
        return Flaw(
            mark, "a value that starts with * is a YAML alias, and there is none of this name", "Put it in quotes"
        )
    if "tag" in problem:
        return _tag_flaw(mark)
    if "cannot start any token" in problem:
        character = line[mark.column - 1 : mark.column]
        return Flaw(mark, f"a value cannot start with {character} without quotes", "Put the value in quotes")
    if "mapping values are not allowed" in problem:
        return Flaw(
            mark,
            "broken YAML: a second colon in this line, or wrong indentation",
            "Put a text with ': ' in it in quotes, and give fields of one block the same indentation",
        )
    if "could not find expected ':'" in problem:
        message, remedy = (
            "broken YAML: a name without ': ' after it",
            "Write 'name: value', with a space after the colon",
        )
        return Flaw(opened or mark, message, remedy)
    if "expected a single document" in (error.context or ""):
        return Flaw(mark, "a second YAML document starts here", "Keep one experiment in a file")
    if "unexpected end of stream" in problem or "<stream end>" in problem:
        return Flaw(opened or mark, "broken YAML: a quote or bracket is opened here and never closed", "Close it")
    if "escape" in problem:
        return Flaw(
            mark,
            "broken YAML: a backslash in double quotes starts an escape, and this one does not exist",
            "Use single quotes",
        )
    if "expected <block end>" in problem:
        return Flaw(
            mark,
            "broken YAML: this does not continue the block that it stands in",
            "Give the fields of one block the same indentation",
        )
    if "expected ',' or" in problem:
        where = "" if opened is None else f"; the bracket was opened in line {opened.line}"
        return Flaw(mark, f"broken YAML: a comma or the closing bracket is missing before this{where}", "Add it")
    return Flaw(mark, "broken YAML: this cannot stand here", "Check quotes, brackets and indentation around it")


def _explain_character(error: yaml.reader.ReaderError, text: str) -> Flaw:
    before = text[: error.position]
    mark = Mark(before.count("\n") + 1, len(before) - (before.rfind("\n") + 1) + 1)
    return Flaw(mark, f"the control character #x{ord(text[error.position]):04x} is not allowed in YAML", "Remove it")
