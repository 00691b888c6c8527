"""An experiment's code on its way: brought to the machines of the first trials while the head still receives it."""

from __future__ import annotations

import time
from collections.abc import Sequence

import ray

from ray_remote_nni.errors import RayNniError
from ray_remote_nni.experiment.nodes import LiveNodes
from ray_remote_nni.experiment.spec import ExperimentSpec
from ray_remote_nni.trial.code import arriving, has_code
from ray_remote_nni.trial.task import bring_code, on_node

_POLL_S = 0.05


class CodeMissing(RayNniError):
    """The experiment's code is not on the head, and nobody brings it."""


def first_nodes(spec: ExperimentSpec) -> list[str]:
    """Return the nodes on which the first trials may run."""
    closed = {machine.index for machine in spec.machines if machine.max_trials == 0}
    nodes = [node.node_id for node in LiveNodes().list() if node.index not in closed]
    return nodes[: spec.trial_concurrency]


def await_code(code: str, nodes: Sequence[str]) -> None:
    """Return when the code is here, having started to bring it to other nodes. Raises CodeMissing.

    A node that this fails on gets it with its first trial, which tells what is wrong.
    """
    head = ray.get_runtime_context().get_node_id()
    for node in nodes:
        if node != head:
            bring_code.options(name="bring code", scheduling_strategy=on_node(node, hard=True)).remote(code, head)
    while not has_code(code):
        if not arriving(code) and not has_code(code):
            raise CodeMissing("The upload of its code broke off. Run the experiment again.")
        time.sleep(_POLL_S)
