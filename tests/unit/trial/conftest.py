"""What the tests of trials share: a guard, and a trial under it."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from a_trial import ATrial
from running_guard import running_guard

from ray_remote_nni.trial.run import Machine

_NUMBERS = itertools.count()


@pytest.fixture(scope="module")
def guard(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The socket of a guard that the tests of a file share; its machine has a variable of its own."""
    environment = {"RAY_NNI_NODE": "/the/node", "SSH_CLIENT": "192.0.2.9 50000 22"}
    with running_guard(tmp_path_factory.mktemp("g"), environment) as running:
        yield running.socket


@pytest.fixture
def trial(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, guard: Path) -> ATrial:
    monkeypatch.setenv("HOME", str(tmp_path))
    code = tmp_path / "code"
    code.mkdir()
    (code / "train.py").write_text("print('trained')\n")
    machine = Machine(host="gpu1", guard_socket=str(guard), python_path=None, gpu_indices=(0, 1))
    return ATrial(f"t{next(_NUMBERS)}", machine, code)


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Moves to another machine; at first we are on the head."""

    def move(name: str) -> None:
        (tmp_path / name).mkdir(exist_ok=True)
        monkeypatch.setenv("HOME", str(tmp_path / name))

    move("head")
    return move
