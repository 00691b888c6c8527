"""A real guard, and processes of classes that lie in the folder which the fixture `code` of a test's module makes."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from running_guard import RunningGuard, running_guard

from ray_remote_nni.custom.process import AlgorithmProcess
from ray_remote_nni.trial.environment import STANDIN

Start = Callable[..., AlgorithmProcess]


@pytest.fixture
def guard(tmp_path: Path) -> Iterator[RunningGuard]:
    with running_guard(tmp_path) as running:
        yield running


@pytest.fixture
def start(tmp_path: Path, code: Path, guard: RunningGuard) -> Iterator[Start]:
    started: list[AlgorithmProcess] = []

    def starting(
        class_name: str, python: Path | str = sys.executable, resumed: bool = False, **args: Any
    ) -> AlgorithmProcess:
        def environment(inherited: Mapping[str, str]) -> Mapping[str, str]:
            return {"PATH": os.environ["PATH"], "PYTHONPATH": str(STANDIN), "SDK_PROCESS": "dispatcher"}

        kind = "assessor" if "assessor" in class_name else "tuner"
        process = AlgorithmProcess(f"{kind} {class_name}", str(guard.socket), str(python), tmp_path, environment)
        started.append(process)
        process.call(
            "create",
            kind=kind,
            code=str(code),
            class_name=class_name,
            class_args=args,
            search_space={"x": [1, 100]},
            resumed=resumed,
        )
        return process

    yield starting
    for process in started:
        process.close()
