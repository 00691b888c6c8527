"""Code that has changed since an experiment began: when that is resumed it goes on with it, as in NNI."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

from ray_remote_nni.cluster.bringup import check_library
from ray_remote_nni.cluster.login import has_user
from ray_remote_nni.config import ConfigInvalid, load_config
from ray_remote_nni.experiment.head import Head
from ray_remote_nni.experiment.logs import own_kinds
from ray_remote_nni.experiment.registry import ExperimentEntry
from ray_remote_nni.experiment.submit import kept_here, send_own
from ray_remote_nni.experiment.upload import Sent, read_code, send_code
from ray_remote_nni.records.reader import RecordReader


async def renew_code(
    entry: ExperimentEntry, head: Head, progress: Callable[[Sent], None], say: Callable[[str], None]
) -> tuple[ExperimentEntry, list[str]]:
    """Send the code of trials and of the user's own tuner and assessor as it is now, and have the next driver take it.

    Returns the experiment, and which of "trial", "tuner" and "assessor" have other code than before. Where the
    configuration cannot be read any more, of which `say` is told, or says something else of them, they keep what they
    have. Raises UsageError where code cannot be read, MachineError where the head fails, and ClusterError where another
    version has started it.
    """
    with RecordReader(entry.mirror) as records:
        before = records.experiment().config
    try:
        loaded = load_config(Path(entry.config), has_user=has_user, unlisted="warning")
    except ConfigInvalid:
        say(f"Your code as it is now is not sent, since {entry.config} cannot be read: ray-nni check {entry.config}")
        return entry, []
    config = loaded.experiment
    codes: dict[str, str] = {}
    now = {"trialCommand": config.trial_command, "trialCodeDirectory": str(config.trial_code_directory)}
    if all(before.get(field) == value for field, value in now.items()):
        code = read_code(config.trial_code_directory.resolve(), kept_here(loaded))
        if code.manifest.name != entry.code:
            check_library(head.state)
            await send_code(code, head, progress)
            codes["trial"] = code.manifest.name
            entry = dataclasses.replace(entry, code=code.manifest.name)
    for kind in own_kinds(before):
        algorithm = config.tuner if kind == "tuner" else config.assessor
        if algorithm is not None and algorithm.class_name == before[kind]["className"]:
            check_library(head.state)
            codes[kind] = (await send_own(loaded, algorithm, head, progress))["code"]
    if not codes:
        return entry, []
    question = {"experiment": entry.experiment_id, "codes": codes}
    changed: list[str] = (await head.ask("ray_remote_nni.experiment.receive_renewed", question))["changed"]
    return entry, changed
