"""Whatever a trial is given is data for it: parameters, environment, the names of folders and of code."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from code_values import put_code
from hostile import HOSTILE, NAMES, fuzz
from hypothesis import given
from hypothesis import strategies as st
from running_guard import RunningGuard, running_guard
from trial_values import trial_spec

from ray_remote_nni.trial.conda import with_conda
from ray_remote_nni.trial.run import Machine, run_attempt
from ray_remote_nni.trial.spec import Ended
from ray_remote_nni.trial.workspace import Workspace, experiment_directory

VALUES = st.recursive(HOSTILE | st.integers() | st.booleans() | st.none(), lambda inner: st.lists(inner, max_size=2))


@pytest.fixture(scope="module")
def guard(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningGuard]:
    with running_guard(tmp_path_factory.mktemp("g")) as running:
        yield running


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "code").mkdir()
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


def run(guard: RunningGuard, home: Path, number: int, command: str, python_path: str | None, **spec: Any) -> Workspace:
    """Run a trial, which must succeed and leave nothing in its folder."""
    trial = trial_spec(trial_id=f"t{number}", command=command, **spec)
    workspace = Workspace(experiment_directory(trial.experiment_id) / "trials" / trial.trial_id)
    shutil.rmtree(workspace.directory, ignore_errors=True)
    machine = Machine(host="h", guard_socket=str(guard.socket), python_path=python_path, gpu_indices=None)
    events = [event for batch in run_attempt(trial, machine, put_code(home / "code")) for event in batch]
    assert isinstance(events[-1], Ended), events
    assert events[-1].exit_code == 0, events
    assert list(workspace.code.iterdir()) == []
    return workspace


@fuzz(20)
@given(
    parameters=st.dictionaries(HOSTILE, VALUES, max_size=3),
    environment=st.dictionaries(st.from_regex(r"\AV_[A-Z]{1,5}\Z"), HOSTILE, max_size=3),
    shell=st.booleans(),
)
def test_parameters_and_environment_reach_a_trial_byte_for_byte(
    guard: RunningGuard, home: Path, parameters: dict[str, Any], environment: dict[str, str], shell: bool
) -> None:
    command = "/usr/bin/env -0" + (" | cat" if shell else "")
    workspace = run(guard, home, 1, command, None, parameters=parameters, environment=environment)
    seen = dict(line.split("=", 1) for line in workspace.stdout.read_bytes().decode().split("\0")[:-1])
    assert {name: seen[name] for name in environment} == environment
    assert json.loads((workspace.directory / "parameter.cfg").read_text())["parameters"] == parameters


@fuzz(15)
@given(name=NAMES.filter(lambda name: ":" not in name), binary=st.booleans())
def test_programs_are_found_in_a_python_path_of_any_name(
    guard: RunningGuard, home: Path, name: str, binary: bool
) -> None:
    folder = home / "bin" / name
    folder.mkdir(parents=True, exist_ok=True)
    tell = folder / "tell"
    tell.unlink(missing_ok=True)
    if binary:
        shutil.copy("/bin/echo", tell)
    else:
        tell.write_text('#!/bin/sh\necho "$@"\n')
        tell.chmod(0o755)
    workspace = run(guard, home, 2, "tell all", str(folder))
    assert workspace.stdout.read_text() == "all\n"


@fuzz(20)
@given(name=NAMES)
def test_conda_is_loaded_from_a_folder_of_any_name(home: Path, name: str) -> None:
    conda = home / "conda" / name
    script = conda / "etc/profile.d/conda.sh"
    script.parent.mkdir(parents=True, exist_ok=True)
    script.write_text('conda() { printf "%s in use" "$2"; }\n')
    command = with_conda("conda activate mine", {"CONDA_EXE": str(conda / "bin/conda")}, None)
    for shell in ("bash", "dash"):
        done = subprocess.run([shell, "-c", command], capture_output=True, text=True, cwd=home / "code")
        assert done.stdout == "mine in use"
    assert list((home / "code").iterdir()) == []


@fuzz(8)
@given(names=st.lists(NAMES.filter(lambda name: name != "x.py"), unique=True, max_size=4))
def test_code_may_have_files_of_any_name(guard: RunningGuard, home: Path, names: list[str]) -> None:
    # What is once on a machine never changes, so each example has a folder of its own.
    code = Path(tempfile.mkdtemp(dir=home))
    for name in names:
        (code / name).write_text(name)
    (code / "x.py").write_text("import os; print(sorted((f, open(f, newline='').read()) for f in os.listdir()))")
    trial = trial_spec(trial_id="t3", command=f"'{sys.executable}' x.py")
    shutil.rmtree(experiment_directory(trial.experiment_id), ignore_errors=True)
    machine = Machine(host="h", guard_socket=str(guard.socket), python_path=None, gpu_indices=None)
    events = [event for batch in run_attempt(trial, machine, put_code(code)) for event in batch]
    assert isinstance(events[-1], Ended), events
    said = (experiment_directory(trial.experiment_id) / "trials/t3/stdout").read_text()
    assert said == f"{sorted([(name, name) for name in names] + [('x.py', (code / 'x.py').read_text())])}\n"
