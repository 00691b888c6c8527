"""JSON text into located values: the standard library parses it, and we find the places."""

from __future__ import annotations

import json
import re
from bisect import bisect_right

from ray_remote_nni.config.located import Entry, LocatedDict, LocatedList, LocatedScalar, Mark, Node
from ray_remote_nni.config.yaml_source import MAX_DEPTH, MAX_DIGITS, TOO_DEEP, TOO_LONG, Flaw, Unparsable

_STRING = re.compile(r'"(?:[^"\\]|\\.)*"')
_TRAILING_COMMA = re.compile(r",\s*[\]}]")
_SPACE = re.compile(r"[ \t\n\r]*")
_WORD = re.compile(r"[^\s,:\]}]+")

#: What Python's parser says, for somebody who wrote JSON by hand, and what to do.
_WORDS = {
    "Expecting ',' delimiter": ("a comma or the closing bracket is missing before this", "Add it"),
    "Expecting ':' delimiter": ("the colon between a name and its value is missing before this", "Add it"),
    "Expecting property name enclosed in double quotes": (
        "a name in double quotes is expected here",
        'Write "name": value',
    ),
    "Expecting value": (
        "a value is expected here",
        "Write a number, a text in double quotes, true, false, null, a list or an object",
    ),
    "Unterminated string starting at": ("a text starts here, and its quote is never closed", "Close it"),
    "Invalid control character at": ("a line break or tab stands within quotes", "Close the quote before it"),
    "Invalid \\escape": (
        "a backslash starts an escape, and JSON has none of this kind",
        "Write two backslashes for one",
    ),
    "Extra data": ("the value ends before this", "Remove the rest, or check the brackets"),
}


def parse_json(text: str) -> Node:
    """The value of a text, as `json.loads` reads it. Raises Unparsable."""
    try:
        json.loads(text, parse_int=_whole)
        walker = _Walker(text)
        node, _ = walker.value(0)
    except json.JSONDecodeError as error:
        raise Unparsable([_flaw(text, error)]) from error
    except RecursionError as error:
        raise Unparsable([TOO_DEEP]) from error
    if walker.flaws:
        raise Unparsable(walker.flaws)
    return node


def _flaw(text: str, error: json.JSONDecodeError) -> Flaw:
    comma = _TRAILING_COMMA.search(text, max(0, text.rfind(",", 0, error.pos + 1)))
    if comma is not None and comma.start() <= error.pos < comma.end():
        line = text.count("\n", 0, comma.start()) + 1
        column = comma.start() - (text.rfind("\n", 0, comma.start()) + 1) + 1
        message = f"broken JSON: there is a comma before the closing {comma.group()[-1]}"
        return Flaw(Mark(line, column), message, "Remove the comma")
    if text.startswith(("//", "/*", "#"), error.pos):
        return Flaw(Mark(error.lineno, error.colno), "broken JSON: it has no comments", "Remove this one")
    message, remedy = _WORDS.get(error.msg, (error.msg.lower(), "Check quotes, brackets and commas around it"))
    return Flaw(Mark(error.lineno, error.colno), f"broken JSON: {message}", remedy)


def _whole(digits: str) -> int:
    return int(digits[:MAX_DIGITS])


class _Walker:
    """Walks a text that is known to be good JSON."""

    def __init__(self, text: str) -> None:
        self.flaws: list[Flaw] = []
        self._text = text
        self._depth = 0
        self._line_starts = [0, *(match.end() for match in re.finditer("\n", text))]

    def value(self, position: int) -> tuple[Node, int]:
        """The value that starts at or after `position`, and where it ends."""
        start = self._skip(position)
        first = self._text[start]
        if first in "{[":
            self._depth += 1
            if self._depth > MAX_DEPTH:
                raise RecursionError
            result = self._object(start) if first == "{" else self._array(start)
            self._depth -= 1
            return result
        if first == '"':
            content, end = self._string(start)
            return LocatedScalar(content, content, False, self._mark(start)), end
        word = _WORD.match(self._text, start)
        assert word is not None
        if len(word.group()) > MAX_DIGITS and isinstance(json.loads(word.group(), parse_int=_whole), int):
            self.flaws.append(Flaw(self._mark(start), *TOO_LONG))
        value = json.loads(word.group(), parse_int=_whole)
        return LocatedScalar(value, word.group(), True, self._mark(start)), word.end()

    def _object(self, start: int) -> tuple[Node, int]:
        entries: dict[str, Entry] = {}
        position = self._skip(start + 1)
        while self._text[position] != "}":
            if self._text[position] == ",":
                position = self._skip(position + 1)
            mark = self._mark(position)
            key, position = self._string(position)
            value, position = self.value(self._skip(position) + 1)
            if key in entries:
                message = f"this key is there twice, first in line {entries[key].mark.line}"
                self.flaws.append(Flaw(mark, message, "Keep one", key))
            entries.setdefault(key, Entry(key, mark, value))
            position = self._skip(position)
        return LocatedDict(tuple(entries.values()), self._mark(start)), position + 1

    def _array(self, start: int) -> tuple[Node, int]:
        items: list[Node] = []
        position = self._skip(start + 1)
        while self._text[position] != "]":
            if self._text[position] == ",":
                position += 1
            item, position = self.value(position)
            items.append(item)
            position = self._skip(position)
        return LocatedList(tuple(items), self._mark(start)), position + 1

    def _string(self, start: int) -> tuple[str, int]:
        match = _STRING.match(self._text, start)
        assert match is not None
        return str(json.loads(match.group())), match.end()

    def _skip(self, position: int) -> int:
        match = _SPACE.match(self._text, position)
        assert match is not None
        return match.end()

    def _mark(self, position: int) -> Mark:
        line = bisect_right(self._line_starts, position)
        return Mark(line, position - self._line_starts[line - 1] + 1)
