"""Prose, labels with values, and tables that turn into such where they do not fit: no path or address is broken.

What is longer than the line goes on beyond its end. A terminal puts it on the next one, from where it is copied whole.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderResult
from rich.table import Table
from rich.text import Text

#: A value is not squeezed into less.
LEAST_ROOM = 24

#: A word, or a command as a whole: to the end of its clause, or of the line.
_UNIT = re.compile(r"[(]?ray-nni (?:\S+ )*?\S*[.,;:)](?=\s|$)|[(]?ray-nni .*|\S+")
_WORD = re.compile(r"\S+")


class Prose:
    """Text of whole words and commands; further lines are indented by `hang` columns."""

    def __init__(self, text: Text, *, hang: int = 0) -> None:
        self._text = text
        self._hang = hang

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        room = max(LEAST_ROOM, options.max_width - self._hang)
        for number, line in enumerate(_wrapped(self._text, room, first_room=options.max_width)):
            line.pad_left(self._hang if number else 0)
            line.no_wrap, line.overflow = True, "ignore"
            yield line


class Rows:
    """A line for each label and its value, whose further lines start where its first does; `indent` in columns."""

    def __init__(self, rows: Sequence[tuple[Text, Text]], *, indent: int = 0, gap: int = 2) -> None:
        self._rows = rows
        self._indent = indent
        self._left = indent + gap + max((label.cell_len for label, _ in rows), default=0)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        room = max(LEAST_ROOM, options.max_width - self._left)
        for label, value in self._rows:
            start = Text(" " * self._indent).append_text(label)
            for line in _wrapped(value, room):
                start.pad_right(self._left - start.cell_len)
                start.append_text(line)
                start.rstrip()
                start.no_wrap, start.overflow = True, "ignore"
                yield start
                start = Text()


class Columns:
    """A table, or where a line has no room for its rows, a block for each: the first cell, the others with labels.

    A row whose first cell is empty goes on with the block before.
    """

    def __init__(self, columns: Sequence[str], rows: Sequence[Sequence[Text]], *, indent: int = 0) -> None:
        self._columns = columns
        self._rows = rows
        self._indent = indent

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim", pad_edge=False)
        for name in (" " * self._indent + self._columns[0], *self._columns[1:]):
            table.add_column(name, no_wrap=True, overflow="ignore")
        for first, *others in self._rows:
            table.add_row(Text(" " * self._indent).append_text(first), *others)
        if console.measure(table, options=options.update(width=10**6)).maximum <= options.max_width:
            yield table
            return
        labels = [Text(name, style="dim") for name in self._columns[1:]]
        width = max((label.cell_len for label in labels), default=0)
        for first, *others in self._rows:
            if first:
                yield Rows([(first, Text())], indent=self._indent)
            given = [(label, cell) for label, cell in zip(labels, others, strict=False) if cell]
            for label, _ in given:
                label.pad_right(width - label.cell_len)
            yield Rows(given, indent=self._indent + 2)


def unbroken(text: str, indent: int = 0) -> Text:
    """Return lines that stay as they are, such as a traceback's, moved to the right together."""
    lines = "\n".join(" " * indent + line for line in text.split("\n"))
    return Text(lines, no_wrap=True, overflow="ignore")


def _wrapped(text: Text, room: int, first_room: int | None = None) -> Iterator[Text]:
    """Lines of whole words, and of commands where these fit. (rich breaks long words, or none at all.)"""
    first = room if first_room is None else first_room
    for paragraph in text.split("\n", allow_blank=True) or [Text()]:
        breaks: list[int] = []
        start = 0
        for begin, end in _units(paragraph.plain, room):
            if begin > start and cell_len(paragraph.plain[start:end]) > (room if breaks else first):
                start = begin
                breaks.append(start)
        for line in paragraph.divide(breaks):
            line.rstrip()
            yield line


def _units(line: str, room: int) -> Iterator[tuple[int, int]]:
    for unit in _UNIT.finditer(line):
        if cell_len(unit.group().rstrip()) <= room:
            yield unit.start(), unit.start() + len(unit.group().rstrip())
        else:
            yield from (word.span() for word in _WORD.finditer(line, *unit.span()))
