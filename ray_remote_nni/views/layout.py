"""Labels with their values, and tables that turn into such where they do not fit: no path or address is ever broken.

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


def _wrapped(text: Text, room: int) -> Iterator[Text]:
    """Lines of whole words. (rich breaks long ones, or none at all.)"""
    for paragraph in text.split("\n", allow_blank=True) or [Text()]:
        breaks, start = [], 0
        for word in re.finditer(r"\S+", paragraph.plain):
            if word.start() > start and cell_len(paragraph.plain[start : word.end()]) > room:
                start = word.start()
                breaks.append(start)
        for line in paragraph.divide(breaks):
            line.rstrip()
            yield line
