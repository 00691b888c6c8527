"""English for messages: one of them, several of them."""

from __future__ import annotations


def plural(count: int, word: str) -> str:
    """Return "1 trial" or "2 trials"."""
    return f"{count} {word}{'' if count == 1 else 's'}"
