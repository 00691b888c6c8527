"""Run on the head as a Ray job: brings code from here to all machines at once, by the way that trials bring it."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import ray

from ray_remote_nni.trial.assembly import ensure_code
from ray_remote_nni.trial.task import fetch_code, on_node


@ray.remote(num_cpus=0)
def bring(name: str | None, head: str) -> None:
    if name is None:
        time.sleep(0.5)
    else:
        ensure_code(name, lambda digests: fetch_code(name, digests, head))


def everywhere(name: str | None, times: int) -> float:
    """Bring code to all machines `times` times at once; return the seconds that it took."""
    head = ray.get_runtime_context().get_node_id()
    nodes = [node["NodeID"] for node in ray.nodes() if node["Alive"]]
    began = time.time()
    ray.get([bring.options(scheduling_strategy=on_node(node, hard=True)).remote(name, head) for node in nodes * times])
    return time.time() - began


def main() -> None:
    ray.init(address="auto", log_to_driver=False)
    # As when trials start: their workers run.
    everywhere(None, 3)
    seconds = everywhere(sys.argv[1], 1)
    machines = sum(node["Alive"] for node in ray.nodes())
    Path(sys.argv[2]).write_text(json.dumps({"machines": machines, "seconds": seconds}))


if __name__ == "__main__":
    main()
