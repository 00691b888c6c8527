"""Runs on the head as a Ray job: has nodes of the cluster end themselves, for a client that cannot log in to them.

Argument: a JSON list of [node's index, its folder, its temp dir]. Ends when those nodes have left the cluster, with
exit code 1 where one did not.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from ray_remote_nni.cluster.resources import MACHINE_LABEL
from ray_remote_nni.guard import ending
from ray_remote_nni.guard.start import FAREWELL_FILE

_PATIENCE_S = 30.0


@ray.remote(num_cpus=0, max_retries=0)
def leave(directory: str, temp_dir: str) -> None:
    """Tell the guard of this node to end all, and to leave no folder behind."""
    (Path(directory) / FAREWELL_FILE).write_text(json.dumps([temp_dir, directory]))
    known = ending.identity(Path(directory))
    assert known is not None
    ending.ask_to_end(Path(directory), known[0])


def main() -> int:
    """Dismiss the nodes; return the exit code."""
    ray.init(address="auto", log_to_driver=False)
    nodes = {int(node["Labels"][MACHINE_LABEL]): node["NodeID"] for node in ray.nodes() if node["Alive"]}
    leaving = {nodes[index]: folders for index, *folders in json.loads(sys.argv[1]) if index in nodes}
    for node, folders in leaving.items():
        leave.options(scheduling_strategy=NodeAffinitySchedulingStrategy(node, soft=False)).remote(*folders)
    deadline = time.monotonic() + _PATIENCE_S
    while leaving.keys() & {node["NodeID"] for node in ray.nodes() if node["Alive"]}:
        if time.monotonic() > deadline:
            return 1
        time.sleep(0.2)
    return 0


if __name__ == "__main__":
    sys.exit(main())
