"""Commands on this machine, as on any other."""

from __future__ import annotations

import asyncio
import gc
from typing import Any

from ray_remote_nni.cluster.local import LocalTransport


def test_a_command_that_ends_before_it_has_read_all_tells_why_and_asyncio_says_nothing() -> None:
    complaints: list[dict[str, Any]] = []

    async def send() -> tuple[int, bytes]:
        asyncio.get_running_loop().set_exception_handler(lambda _, complaint: complaints.append(complaint))
        async with LocalTransport().run("sleep 0.3; echo 'no room' >&2; exit 3") as stream:
            for _ in range(8):
                await stream.write(b"x" * 2**20)
            return await stream.wait()

    assert asyncio.run(send()) == (3, b"no room\n")
    gc.collect()
    assert complaints == []
