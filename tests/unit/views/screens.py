"""Consoles whose output a test can read, and the time at which the tests' experiments begin."""

from __future__ import annotations

import io

from rich.console import Console

START = 1_795_508_130.0


def terminal(width: int = 80, height: int = 24) -> Console:
    return Console(file=io.StringIO(), force_terminal=True, width=width, height=height, color_system=None)


def pipe() -> Console:
    return Console(file=io.StringIO(), force_terminal=False)


def printed(console: Console) -> list[str]:
    assert isinstance(console.file, io.StringIO)
    return [line.rstrip() for line in console.file.getvalue().splitlines()]
