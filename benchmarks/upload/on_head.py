"""Run on the head as a Ray job: brings code to all machines at once as a driver does, while it is still on its way."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import ray

from ray_remote_nni.experiment.code_ahead import await_code
from ray_remote_nni.trial.code import arriving, has_code
from ray_remote_nni.trial.task import bring_code, on_node

_POLL_S = 0.005


@ray.remote(num_cpus=0)
def start() -> None:
    time.sleep(0.5)


def main() -> None:
    result = Path(sys.argv[1])
    ray.init(address="auto", log_to_driver=False)
    head = ray.get_runtime_context().get_node_id()
    nodes = [node["NodeID"] for node in ray.nodes() if node["Alive"]]
    # As when trials start: their workers run.
    ray.get([start.options(scheduling_strategy=on_node(node, hard=True)).remote() for node in nodes * 3])
    result.with_suffix(".ready").touch()
    named = result.with_suffix(".name")
    while not named.exists():
        time.sleep(_POLL_S)
    name = named.read_text().strip()
    named.unlink()
    while not (has_code(name) or arriving(name)):
        time.sleep(_POLL_S)
    await_code(name, nodes)
    on_head = time.time()
    # Waits for what is on its way, and looks whether it is there.
    ray.get([bring_code.options(scheduling_strategy=on_node(node, hard=True)).remote(name, head) for node in nodes])
    part = result.with_suffix(".part")
    part.write_text(json.dumps({"machines": len(nodes), "on_head": on_head, "on_all": time.time()}))
    part.rename(result)


if __name__ == "__main__":
    main()
