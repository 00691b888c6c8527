"""Run in a client's home: sends a directory to the head of the cluster that is up, and so to all machines; timed."""

from __future__ import annotations

import asyncio
import json
import shlex
import sys
import time
from pathlib import Path
from typing import Any

from ray_remote_nni.cluster.transport import quote, run_shell
from ray_remote_nni.experiment.access import access_cluster, latest_cluster
from ray_remote_nni.experiment.upload import read_code, send_code

ON_HEAD = Path(__file__).with_name("on_head.py")


async def upload(directory: Path, result: str) -> dict[str, Any]:
    """Return the seconds until the head has it, and until all machines do, and their number.

    What a driver is there for, and starts anyway, is ready before the clock starts.
    """
    ready, named, answer = (quote(result.replace(".json", ending)) for ending in (".ready", ".name", ".json"))
    async with access_cluster(latest_cluster(), input).head() as head:
        dashboard = await head.dashboard()
        words = [head.machine.python, "-c", ON_HEAD.read_text(), result]
        await dashboard.submit_job(f"upload-{time.time_ns()}", f"exec {shlex.join(words)}", {})
        await run_shell(head.connection, f"until test -e {ready}; do sleep 0.1; done; rm {ready}")
        began = time.time()
        code = read_code(directory)
        await run_shell(head.connection, f"echo {code.manifest.name} > {named}.part; mv {named}.part {named}")
        await send_code(code, head, lambda _: None)
        said = await run_shell(
            head.connection, f"until test -e {answer}; do sleep 0.1; done; cat {answer}; rm {answer}"
        )
    times: dict[str, Any] = json.loads(said)
    return {
        "to_head_s": times["on_head"] - began,
        "to_all_s": times["on_all"] - began,
        "machines": times["machines"],
    }


if __name__ == "__main__":
    print(json.dumps(asyncio.run(upload(Path(sys.argv[1]), sys.argv[2]))))
