"""How tuner and assessor are let go: told first, but not waited for without end, for people's own may never answer."""

from __future__ import annotations

import asyncio

from ray_remote_nni.experiment.assessing import Assessing
from ray_remote_nni.experiment.suggestions import Suggests
from ray_remote_nni.records.store import RecordStore

#: How long they may take over what they are told last.
PATIENCE_S = 15.0


async def take_leave(store: RecordStore, suggestions: Suggests, assessing: Assessing | None, *, politely: bool) -> None:
    """End what tuner and assessor run in; `politely` they hear of all trials first, if they listen."""
    if politely:
        try:
            await asyncio.wait_for(_close(suggestions, assessing, politely=True), PATIENCE_S)
            return
        except asyncio.TimeoutError:
            text = f"your tuner or assessor was still busy {PATIENCE_S:g} s after the last trial, and was ended"
            store.add_notice("warning", text)
    await _close(suggestions, assessing, politely=False)


async def _close(suggestions: Suggests, assessing: Assessing | None, *, politely: bool) -> None:
    if assessing is not None:
        await assessing.close(politely=politely)
    await suggestions.close(politely=politely)
