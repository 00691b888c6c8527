"""How trials may use machines that join a cluster while experiments run: a file in the node's folder on the head.

An experiment keeps what it was told of the machines that it began with. A machine that comes later was not among them:
for that one, what the configuration says by which it was brought up is left here before Ray knows of it. The client has
`main` write the file, which needs the standard library alone.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

from ray_remote_nni.cluster.remote.start_node import NODE_MARK
from ray_remote_nni.experiment.spec import MachineSpec, write_private

MACHINES_FILE = "machines.json"


def main() -> None:
    """Read {"directory": the head's node folder, "machines": [the fields of a MachineSpec]} and write them there."""
    asked = json.load(sys.stdin)
    write_private(Path(asked["directory"]) / MACHINES_FILE, json.dumps(asked["machines"]))
    print("{}")


def joined_machine(index: int) -> MachineSpec:
    """Return how trials may use the machine that is node `index`, as the head that this runs on was told last."""
    try:
        file = Path(os.environ[NODE_MARK]) / MACHINES_FILE
        known = json.loads(file.read_text(encoding="utf-8"))
    except (KeyError, FileNotFoundError):
        known = []
    told = (MachineSpec(**machine) for machine in known)
    return next((machine for machine in told if machine.index == index), MachineSpec(index))
