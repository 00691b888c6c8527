"""Tuners and assessors of people's own, as the loop deals with them: told what NNI tells, when NNI tells it."""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
from collections import deque
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ray_remote_nni.custom.process import AlgorithmFailed, AlgorithmProcess, Kind
from ray_remote_nni.experiment.earlier_results import results_of
from ray_remote_nni.experiment.spec import ExperimentSpec
from ray_remote_nni.records.model import EarlierResult
from ray_remote_nni.records.reader import RecordReader
from ray_remote_nni.trial.code import code_folder
from ray_remote_nni.trial.environment import STANDIN
from ray_remote_nni.trial.spec import Reported
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
        self._process: AlgorithmProcess | None = None
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix=kind)

    async def call(self, do: str, **arguments: Any) -> Any:
        """Ask the class, which is made first if it is not there yet. Raises AlgorithmFailed."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, lambda: self._call(do, arguments))

    async def close(self, *, politely: bool) -> None:
        """End the process; `politely` it is told so first."""
        if politely and self._process is not None:
            await self.call("leave")
        if self._process is not None:
            self._process.stop()
            self._process = None
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _call(self, do: str, arguments: dict[str, Any]) -> Any:
        if self._process is None:
            self._process = self._start()
        return self._process.call(do, **arguments)

    def _start(self) -> AlgorithmProcess:
        directory = experiment_directory(self._spec.experiment_id)
        folder = directory / "log"
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        code = directory / f"{self._kind}-code"
        if not code.exists():
            # A copy of its own, which stays: a class may keep files beside itself.
            make_working_copy(code_folder(self._own["code"]), str(code))
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
            mark = {name: value for name, value in inherited.items() if name == "RAY_NNI_NODE"}
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
        process = AlgorithmProcess(who, os.environ["RAY_NNI_GUARD"], python, folder, environment)
        try:
            process.call(
                "create",
                kind=self._kind,
                code=str(code),
                class_name=self._own["class_name"],
                class_args=dict(self._own["class_args"]),
                search_space=dict(self._spec.search_space),
                resumed=self._resumed,
            )
        except BaseException:
            process.close()
            raise
        return process


@dataclass(frozen=True)
class _End:
    trial_id: str
    finals: tuple[Any, ...]
    succeeded: bool


class OwnTuner:
    """A tuner of the user's own. `run` tells it of ends as they come, and must be kept running.

    As in NNI it numbers trials itself, a final result is told whatever the exit code, every end is told, and what an
    earlier driver's trials came to is imported.
    """

    #: It may have more to suggest when trials have ended.
    asks_again = True
    ends_known = 0

    def __init__(self, spec: ExperimentSpec, own: Mapping[str, Any], records: RecordReader) -> None:
        trials = records.trials()
        self._process = OwnAlgorithm(spec, "tuner", own, resumed=bool(trials))
        self._earlier = {trial.trial_id: trial.parameters for trial in trials}
        self._learnt = records.learnt()
        self._learnt += results_of(records.finished_for_replay())
        self._ids: dict[str, int] = {}
        self._next = len(trials)
        self._ends: deque[_End] = deque()
        self._space: Mapping[str, Any] | None = None
        self._arrived = asyncio.Event()
        self._order = asyncio.Lock()

    async def ask(self, trial_id: str) -> dict[str, Any] | None:
        """Return parameters for a new trial, None when there is nothing to try now."""
        await self._flush()
        number = self._next
        made = await self._process.call("generate", ids=[number])
        if not made:
            return None
        self._next += 1
        self._ids[trial_id] = number
        (parameters,) = made
        if not isinstance(parameters, dict):
            raise TypeError(f"the tuner suggested {parameters!r}; a trial's parameters are a dict")
        return parameters

    def ended(
        self, trial_id: str, value: float | None, metrics: Sequence[Reported] = (), *, succeeded: bool = False
    ) -> None:
        """Take a trial's end."""
        finals = tuple(metric.value for metric in metrics if metric.kind == "FINAL")[:1]
        self._ends.append(_End(trial_id, finals, succeeded))
        self._arrived.set()

    def adopt(self, trial_id: str, parameters: Mapping[str, Any]) -> None:
        """Take note of a trial that was set by hand: it takes a number, and its result is imported, as in NNI."""
        self._earlier[trial_id] = dict(parameters)
        self._next += 1

    def learn(self, results: Sequence[EarlierResult]) -> None:
        """Have results of elsewhere imported."""
        self._learnt += results
        self._arrived.set()

    def renew(self, spec: ExperimentSpec) -> None:
        """Take another search space."""
        self._space = spec.search_space
        self._arrived.set()

    async def run(self) -> None:
        """Tell of the ends, for ever."""
        while True:
            await self._arrived.wait()
            self._arrived.clear()
            await self._flush()

    async def close(self, *, politely: bool) -> None:
        """Tell the last ends, if `politely`, and end the process."""
        if politely:
            await self._flush()
        await self._process.close(politely=politely)

    async def _flush(self) -> None:
        async with self._order:
            if self._learnt:
                learnt, self._learnt = self._learnt, []
                await self._process.call("learn", data=learnt)
            if self._space is not None:
                space, self._space = self._space, None
                await self._process.call("update", search_space=dict(space))
            while self._ends:
                await self._tell(self._ends.popleft())

    async def _tell(self, end: _End) -> None:
        number = self._ids.pop(end.trial_id, None)
        if number is None:
            data = [{"parameter": self._earlier[end.trial_id], "value": value} for value in end.finals]
            if data:
                await self._process.call("learn", data=data)
            return
        for value in end.finals:
            await self._process.call("receive", id=number, value=value, trial_id=end.trial_id)
        await self._process.call("end", id=number, success=end.succeeded)


class OwnAssessor:
    """An assessor of the user's own, as a judge; see Judge."""

    latest_only = False

    def __init__(self, spec: ExperimentSpec, own: Mapping[str, Any], resumed: bool) -> None:
        self.name: str = own["class_name"]
        self._process = OwnAlgorithm(spec, "assessor", own, resumed)

    async def assess(self, trial_id: str, history: list[Any]) -> bool:
        """Tell whether to go on with a trial; see Judge."""
        return bool(await self._process.call("assess", trial_id=trial_id, history=history))

    async def end(self, trial_id: str, history: list[Any], succeeded: bool) -> None:
        """Take note of a trial's end; see Judge."""
        await self._process.call("end", trial_id=trial_id, success=succeeded)

    async def close(self, *, politely: bool) -> None:
        """End the process."""
        await self._process.close(politely=politely)
