"""English for messages: one of them, several of them."""

from __future__ import annotations


def plural(count: int, word: str, several: str | None = None) -> str:
    """Return "1 trial" or "2 trials"; `several` is the plural of a word that does not only take an s."""
    return f"{count} {word if count == 1 else several or word + 's'}"
