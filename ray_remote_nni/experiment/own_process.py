"""The process of a class of the user's, on the head, in a Python that has what it imports."""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
import tempfile
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from ray_remote_nni.cluster.remote.start_node import NODE_MARK
from ray_remote_nni.custom.process import AlgorithmFailed, AlgorithmProcess, Kind
from ray_remote_nni.experiment.spec import ExperimentSpec
from ray_remote_nni.trial.code import code_folder, has_code
from ray_remote_nni.trial.environment import STANDIN
from ray_remote_nni.trial.working_copy import make_working_copy
from ray_remote_nni.trial.workspace import experiment_directory


class OwnAlgorithm:
    """The process of a class of the user's; questions are answered in the order in which they are asked.

    It runs in the trials' Python, in ours where its imports are not found there.
    """

    def __init__(self, spec: ExperimentSpec, kind: Kind, own: Mapping[str, Any], resumed: bool) -> None:
        self._spec = spec
        self._kind: Kind = kind
        self._own = own
        self._resumed = resumed
        #: Whether it is an advisor; not known before the first answer.
        self.advises = False
        self._process: AlgorithmProcess | None = None
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix=kind)

    async def call(self, do: str, **arguments: Any) -> Any:
        """Ask the class, which is made first if it is not there yet. Raises AlgorithmFailed."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, lambda: self._call(do, arguments))

    async def close(self, *, politely: bool) -> None:
        """End the process; `politely` it is told so first."""
        if politely and self._process is not None:
            await self.call("leave")
        process, self._process = self._process, None
        if process is not None:
            process.stop()
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _call(self, do: str, arguments: dict[str, Any]) -> Any:
        process = self._process or self._start()
        return process.call(do, **arguments)

    def _start(self) -> AlgorithmProcess:
        directory = experiment_directory(self._spec.experiment_id)
        folder = directory / "log"
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        code = directory / f"{self._kind}-code"
        _bring(self._own["code"], code)
        refused: AlgorithmFailed | None = None
        for ours in (False, True):
            try:
                return self._start_in(folder, code, ours)
            except AlgorithmFailed as error:
                refused = refused or error
                if not error.unfit:
                    raise
        assert refused is not None
        raise refused

    def _start_in(self, folder: Path, code: Path, ours: bool) -> AlgorithmProcess:
        path = os.environ.get("RAY_NNI_PYTHON_PATH"), (self._spec.base_environment or os.environ).get("PATH")
        joined = os.pathsep.join(filter(None, path))
        python = sys.executable if ours else shutil.which("python3", path=joined) or sys.executable

        def environment(inherited: Mapping[str, str]) -> dict[str, str]:
            base = {**os.environ} if ours else {**(self._spec.base_environment or inherited)}
            mark = {name: value for name, value in inherited.items() if name == NODE_MARK}
            return {
                **base,
                **mark,
                "PATH": joined,
                "PYTHONPATH": os.pathsep.join(filter(None, (base.get("PYTHONPATH"), str(STANDIN)))),
                "PYTHONUNBUFFERED": "1",
                "SDK_PROCESS": "dispatcher",
                "NNI_EXP_ID": self._spec.experiment_id,
                "NNI_MODE": "resume" if self._resumed else "start",
                "NNI_LOG_DIRECTORY": str(folder),
                "NNI_CHECKPOINT_DIRECTORY": str(folder),
                "NNI_LOG_LEVEL": "info",
            }

        who = f"{self._kind} {self._own['class_name']}"
        # At once: a class that never comes into being is to be ended too.
        process = self._process = AlgorithmProcess(who, os.environ["RAY_NNI_GUARD"], python, folder, environment)
        try:
            created = process.call(
                "create",
                kind=self._kind,
                code=str(code),
                class_name=self._own["class_name"],
                class_args=dict(self._own["class_args"]),
                search_space=dict(self._spec.search_space),
                resumed=self._resumed,
            )
        except BaseException:
            self._process = None
            process.close()
            raise
        self.advises = created["advises"]
        return process


def _bring(name: str, code: Path) -> None:
    """Make a copy of the code of this name in the folder `code`, or bring the one that is there up to that.

    It stays: a class may keep files beside itself.
    """
    made_of = code.with_name(f"{code.name}.name")
    made = made_of.read_text(encoding="utf-8") if made_of.exists() else None
    if not code.exists():
        make_working_copy(code_folder(name), str(code))
    # Without its name it is a copy of who knows what: a driver was killed over it, or an earlier version made it. That
    # code may have gone since.
    elif made != name and (made is not None or has_code(name)):
        with tempfile.TemporaryDirectory(dir=code.parent) as fresh:
            make_working_copy(code_folder(name), f"{fresh}/code")
            _merge(Path(fresh, "code"), code)
    made_of.write_text(name, encoding="utf-8")


def _merge(fresh: Path, old: Path) -> None:
    """Move all that is in a folder into another; what only that one has stays there."""
    for path in fresh.iterdir():
        there = old / path.name
        if there.is_dir() and not there.is_symlink():
            if path.is_dir() and not path.is_symlink():
                _merge(path, there)
                continue
            shutil.rmtree(there)
        else:
            there.unlink(missing_ok=True)
        os.replace(path, there)
