"""Where everything that a command says goes: results to stdout, messages for people to stderr."""

from __future__ import annotations

import getpass
import sys
import time
import warnings
from collections.abc import Callable
from functools import cache
from typing import Any

from rich.console import Console
from rich.text import Text

from ray_remote_nni.config import LoadedConfig, Problem
from ray_remote_nni.errors import RayNniError, UsageError
from ray_remote_nni.records.shapes import strict_dumps
from ray_remote_nni.views.layout import Prose

OUT = Console(highlight=False)
ERR = Console(stderr=True, highlight=False)
INTERRUPTED = 130


class Interrupted(RayNniError):
    """Somebody pressed Ctrl-C; the message says what that means for what was under way."""

    exit_code = INTERRUPTED

    def __init__(self, message: str = "Interrupted.") -> None:
        super().__init__(message)


def print_json(document: Any) -> None:
    """Print one JSON document, the result of a command with --json."""
    print(strict_dumps(document), flush=True)


def say(message: str, style: str | None = None, *, hang: int = 0) -> None:
    """Print a message for people; on a terminal it is wrapped, with `hang` columns before its further lines."""
    text = Text(message, style=style or "")
    if ERR.is_terminal:
        ERR.print(Prose(text, hang=hang), crop=False)
    else:
        # A line stays one line, however long: something reads it.
        ERR.print(text, soft_wrap=True)


def warn(loaded: LoadedConfig) -> None:
    """Print the warnings of a configuration."""
    for problem in loaded.warnings:
        say_problem(problem)


def say_problem(problem: Problem) -> None:
    """Print an error or a warning about a configuration."""
    say(f"{problem.level}: {problem}", "red" if problem.level == "error" else "yellow")


def machine_rows() -> Callable[[str, str], None]:
    """Return a function that prints a row per machine as things happen there, with the time since now."""
    began = time.monotonic()

    def report(host: str, what: str) -> None:
        style = "red" if what.startswith("failed") else None
        row = f"{time.monotonic() - began:6.1f} s  {host:<16}  "
        say(row + what, style, hang=len(row))

    return report


@cache
def ask_secret(prompt: str) -> str:
    """Ask for a password, once in the life of a command; nothing is shown.

    It is read from the terminal, or where there is none from standard input. Raises UsageError where that ends.
    """
    while (secret := _read_secret(f"{prompt}: ")) == "":
        pass
    if secret is None:
        raise UsageError(
            f"{prompt}: it is to be asked for, and there is no terminal to ask at. Run this in a terminal, "
            "or write a variable in place of ask, such as password: ${PASSWORD}, and set it."
        )
    return secret


def _read_secret(prompt: str) -> str | None:
    with warnings.catch_warnings():
        warnings.simplefilter("error", getpass.GetPassWarning)
        try:
            return getpass.getpass(prompt)
        except EOFError:
            return None
        except getpass.GetPassWarning:
            # No terminal: nothing is shown anyway.
            line = sys.stdin.readline()
            return line.rstrip("\r\n") if line else None
