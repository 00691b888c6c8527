"""Starts the Ray workers of the first trials, with their code, while the tuner's actor starts."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence

from ray_remote_nni.experiment.spec import ExperimentSpec
from ray_remote_nni.trial.inbox import Workers
from ray_remote_nni.trial.task import on_node, warm_up

#: More workers at once would only slow one another's start.
_MOST = 4
#: A machine on which they take longer is not waited for.
_TIMEOUT_S = 3.0


async def warm_up_workers(spec: ExperimentSpec, nodes: Sequence[str], head_node: str) -> None:
    """Start workers on these nodes for as many trials as run at once, and wait for them.

    A trial that found none free yet would start another one, which costs as much as ten short trials.
    """
    if not nodes:
        return
    workers = Counter(nodes[n % len(nodes)] for n in range(min(spec.trial_concurrency, _MOST * len(nodes))))
    started = [
        warm_up.options(name="warm up", scheduling_strategy=on_node(node)).remote(
            spec.experiment_id, spec.code, head_node, Workers(node, workers[node], _TIMEOUT_S)
        )
        for node in workers.elements()
    ]
    await asyncio.wait([asyncio.wrap_future(ref.future()) for ref in started], timeout=_TIMEOUT_S)
