"""The job on the head, python -m ray_remote_nni.experiment.driver EXPERIMENT: opens or makes the records, and runs."""

from __future__ import annotations

import asyncio
import logging
import shutil
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

import ray

from ray_remote_nni.errors import RayNniError
from ray_remote_nni.experiment.code_ahead import CodeMissing, await_code, first_nodes
from ray_remote_nni.experiment.loop import ExperimentLoop
from ray_remote_nni.experiment.own_algorithms import OwnTuner
from ray_remote_nni.experiment.spec import ExperimentSpec, read_spec
from ray_remote_nni.experiment.suggestions import Suggestions, Suggests
from ray_remote_nni.file_lock import try_lock
from ray_remote_nni.records.abandoned import LOCK_FILE
from ray_remote_nni.records.create import create_records
from ray_remote_nni.records.model import ExperimentStatus
from ray_remote_nni.records.reader import RecordReader
from ray_remote_nni.records.schema import RECORDS_FILE
from ray_remote_nni.records.store import RecordStore
from ray_remote_nni.trial.code import has_code
from ray_remote_nni.trial.workspace import experiment_directory

_LOG = logging.getLogger(__name__)


def main() -> None:
    """Run the experiment named on the command line, whose spec is in its folder on this machine.

    Folders after its name are for the tuner's imports.
    """
    directory = experiment_directory(sys.argv[1])
    _log_to(directory / "log")
    with (directory / LOCK_FILE).open("w") as lock:
        if not try_lock(lock.fileno()):
            sys.exit(f"experiment {sys.argv[1]} has a driver already")
        spec = read_spec(directory)
        ray.init(address="auto", log_to_driver=False, logging_level=logging.WARNING)
        # Who wants the experiment to stop says so in its records. With SIGTERM ends what runs on a head whose Ray has
        # died, or which shuts down: then it is as after any other death of the driver, and nobody has stopped it.
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        try:
            if not has_code(spec.code):
                await_code(spec.code, first_nodes(spec))
        except CodeMissing as error:
            if not (directory / RECORDS_FILE).exists():
                # It never began.
                shutil.rmtree(directory)
            sys.exit(str(error))
        run(spec, directory / RECORDS_FILE, sys.argv[2:])


def run(spec: ExperimentSpec, file: Path, libraries: Sequence[str] = ()) -> None:
    """Run an experiment to its end; the records say how that was."""
    with _open_records(spec, file) as store:
        store.set_driver()
        store.set_status("RUNNING")
        try:
            with RecordReader(file) as records:
                status = asyncio.run(_run(spec, store, records, libraries))
        except BaseException as error:
            _LOG.exception("the experiment ended in an error")
            with RecordReader(file) as records:
                # They end with this process, and are taken up again when the experiment is resumed.
                for trial in records.running():
                    store.requeue_trial(trial.trial_id, "interrupted", "the experiment ended in an error")
            store.set_status(
                "ERROR", str(error) if isinstance(error, RayNniError) else f"{type(error).__name__}: {error}"
            )
            raise
        store.set_status(status)


async def _run(
    spec: ExperimentSpec, store: RecordStore, records: RecordReader, libraries: Sequence[str]
) -> ExperimentStatus:
    own = spec.own_tuner
    suggestions: Suggests = OwnTuner(spec, own, records) if own is not None else Suggestions(spec, records, libraries)
    return await ExperimentLoop(spec, store, records, suggestions).run()


def _open_records(spec: ExperimentSpec, file: Path) -> RecordStore:
    """Open the records of an experiment that goes on, its interrupted trials made ready, or make new ones."""
    if not file.exists():
        return create_records(
            file,
            experiment_id=spec.experiment_id,
            name=spec.name,
            config=spec.config,
            search_space=spec.search_space,
            optimize_mode=spec.optimize_mode,
            max_trial_number=spec.max_trial_number,
            trial_concurrency=spec.trial_concurrency,
            seed=spec.seed,
        )
    store = RecordStore.open(file)
    for request in store.pending_requests():
        if request.kind == "stop":
            # It has stopped, and whoever resumes it wants it to go on. All else is still to be done.
            store.finish_request(request.id)
    with RecordReader(file) as records:
        for trial in records.trials():
            if trial.status == "RUNNING":
                store.requeue_trial(trial.trial_id, "interrupted", "the experiment's driver ended")
    return store


def _log_to(folder: Path) -> None:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    handler = logging.FileHandler(folder / "driver.log")
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logging.basicConfig(level=logging.INFO, handlers=[handler])


if __name__ == "__main__":
    main()
