"""Printing for a terminal or into a pipe: fitted to the one's width, unbroken in the other."""

from __future__ import annotations

from rich.console import Console, RenderableType

#: Wider than any line of ours: nothing is cut where a program reads.
UNBROKEN_WIDTH = 10_000


def show(console: Console, content: RenderableType) -> None:
    """Print; into a file or pipe at the content's own width, so that a row stays a line."""
    if console.is_terminal:
        console.print(content, highlight=False, markup=False, crop=False)
        return
    wide = console.options.update(width=UNBROKEN_WIDTH)
    for line in console.render_lines(content, wide, pad=False):
        text = "".join(segment.text for segment in line).rstrip()
        console.out(text, highlight=False)


def fits(console: Console, content: RenderableType) -> bool:
    """Tell whether `show` prints this without breaking or cutting its lines."""
    wide = console.options.update(width=UNBROKEN_WIDTH)
    return not console.is_terminal or console.measure(content, options=wide).maximum <= console.width
