"""English for messages: one of them, several of them; what others said last."""

from __future__ import annotations


def plural(count: int, word: str, several: str | None = None) -> str:
    """Return "1 trial" or "2 trials"; `several` is the plural of a word that does not only take an s."""
    return f"{count} {word if count == 1 else several or word + 's'}"


def last_line(printed: bytes, silent: str) -> str:
    """Return the last line of what a program printed, where its reason is; `silent` where it printed nothing."""
    lines = printed.decode(errors="replace").strip().splitlines()
    return lines[-1] if lines else silent
