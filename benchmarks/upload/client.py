"""Run in a client's home: sends a directory to the head of the cluster that is up, then on to all machines; timed."""

from __future__ import annotations

import asyncio
import json
import shlex
import sys
import time
from pathlib import Path
from typing import Any

from ray_remote_nni.experiment.access import access_cluster, latest_cluster
from ray_remote_nni.experiment.upload import Sent, read_code, send_code

ON_HEAD = Path(__file__).with_name("on_head.py")


async def upload(directory: Path, result: str) -> dict[str, Any]:
    """Return the seconds of both ways, and how much went over the first."""
    sent = Sent(0, 0, 0, 0)

    def show(now: Sent) -> None:
        nonlocal sent
        sent = now

    began = time.monotonic()
    async with access_cluster(latest_cluster(), input).head() as head:
        code = read_code(directory)
        await send_code(code, head, show)
        send_s = time.monotonic() - began
        dashboard = await head.dashboard()
        words = [head.machine.python, "-c", ON_HEAD.read_text(), code.manifest.name, result]
        job = f"upload-{time.time_ns()}"
        await dashboard.submit_job(job, f"exec {shlex.join(words)}", {})
        while (known := await dashboard.job(job))["status"] in ("PENDING", "RUNNING"):
            await asyncio.sleep(0.5)
    if known["status"] != "SUCCEEDED":
        raise RuntimeError(f"the job on the head failed: {known['message']}")
    return {"send_s": send_s, "bytes": sent.all_bytes, "files": sent.all_files}


if __name__ == "__main__":
    print(json.dumps(asyncio.run(upload(Path(sys.argv[1]), sys.argv[2]))))
