"""Places with room for a limited number of process trees: who comes when one is full waits for its turn."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

#: The most trees in each place, None for any number.
Wanted = Mapping[str, int | None]


class Places:
    """Who is in which place, and who waits to get in.

    A tree names its places, and for each the most trees that may be there at once, None where it does not mind; all who
    are there are counted, and hold one another to their limits. It enters all of its places at once, and nobody
    overtakes who waited longer for one of them.
    """

    def __init__(self) -> None:
        self._inside: list[Wanted] = []
        self._waiting: list[tuple[Wanted, asyncio.Future[None]]] = []

    async def enter(self, wanted: Wanted) -> None:
        """Wait until there is room, and be there; `leave` must follow. A wait that is cancelled leaves no trace."""
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((wanted, turn))
        self._admit()
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self.leave(wanted)
            else:
                self._waiting = [waiting for waiting in self._waiting if waiting[1] is not turn]
                self._admit()
            raise

    def leave(self, wanted: Wanted) -> None:
        """Make room for others."""
        # By identity: two trees may want the same.
        self._inside = _without(self._inside, wanted)
        self._admit()

    def _admit(self) -> None:
        claimed: set[str] = set()
        left = []
        for wanted, turn in self._waiting:
            if turn.done():
                continue
            if claimed.isdisjoint(wanted) and self._has_room(wanted):
                self._inside.append(wanted)
                turn.set_result(None)
            else:
                # Where it does not mind how many there are, those behind it may well be let in before it.
                claimed.update(p for p, limit in wanted.items() if limit is not None or not self._has_room({p: limit}))
                left.append((wanted, turn))
        self._waiting = left

    def _has_room(self, wanted: Wanted) -> bool:
        for place, limit in wanted.items():
            inside = [others[place] for others in self._inside if place in others]
            limits = [one for one in (limit, *inside) if one is not None]
            if limits and len(inside) >= min(limits):
                return False
        return True


def _without(inside: list[Wanted], leaving: Wanted) -> list[Wanted]:
    for number, wanted in enumerate(inside):
        if wanted is leaving:
            return inside[:number] + inside[number + 1 :]
    return inside
