"""Starting an experiment as its user sees it: rows of machines, the bar of the upload, and what Ctrl-C means."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence

from ray_remote_nni.cli.output import ERR, Interrupted, machine_rows, say_problem
from ray_remote_nni.cli.upload import UploadBar
from ray_remote_nni.cluster.request import ClusterRequest
from ray_remote_nni.config import LoadedConfig
from ray_remote_nni.experiment.registry import all_experiments
from ray_remote_nni.experiment.run import RunningExperiment, start_experiment


def start(loaded: LoadedConfig, request: ClusterRequest) -> RunningExperiment:
    """Start an experiment, and show how that goes. Raises Interrupted, which says what there is of it then."""
    rows, began = machine_rows(), time.time()
    with UploadBar(ERR) as bar:

        def report(host: str, what: str) -> None:
            # Where a bar is shown, it is that of an upload that broke off.
            bar.close()
            rows(host, what)

        try:
            return asyncio.run(start_experiment(loaded, request, report, say_problem, bar.show))
        except KeyboardInterrupt as error:
            config = str(loaded.path.absolute())
            names = [e.experiment_id for e in all_experiments() if e.config == config and e.started >= began]
            raise Interrupted(_what_is_left(names, broken_off=bar.broken_off)) from error


def _what_is_left(names: Sequence[str], *, broken_off: bool) -> str:
    """Return what Ctrl-C means; `names` are the experiments whose drivers may have started already."""
    if names:
        return f"Interrupted while experiment {names[0]} was being started. Does it run? ray-nni status"
    kept = " What was sent is kept for the next time." if broken_off else ""
    return f"Interrupted; no experiment was started.{kept}"
