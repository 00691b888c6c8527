"""Asking ahead: what a tuner suggests next, where no result can change it, is there before it is needed."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Ahead(Generic[T]):
    """Asks one question more than it has answered. `ask(name)` must begin to answer at once, whoever waits for it.

    Each question has a name of its own, which no trial has: a tuner that learns nothing need not know whose its
    suggestions are.
    """

    def __init__(self, ask: Callable[[str], Awaitable[T]]) -> None:
        """Ask nothing yet: there may be something to be told first."""
        self._ask = ask
        self._asked = 0
        self._next: Awaitable[T] | None = None

    async def next(self) -> T:
        """Return the next answer, and have the one after it made meanwhile."""
        answer = self._question() if self._next is None else self._next
        self._next = self._question()
        return await answer

    def _question(self) -> Awaitable[T]:
        self._asked += 1
        # Trials' names are letters and digits.
        return self._ask(f"#ahead {self._asked}")
