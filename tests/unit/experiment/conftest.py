"""What the tests of experiments share: a home that is the head's as well, and an experiment of its user's."""

from __future__ import annotations

from pathlib import Path

import pytest
from experiment_values import experiment_entry

import ray_remote_nni
from ray_remote_nni.experiment.registry import ExperimentEntry

LIBRARY = Path(ray_remote_nni.__file__).parents[1]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The home of this machine, which is the head as well."""
    folder = tmp_path / "home"
    (folder / ".ray-nni" / "lib").mkdir(parents=True)
    (folder / ".ray-nni" / "lib" / "ray-nni-lib").symlink_to(LIBRARY)
    monkeypatch.setenv("HOME", str(folder))
    return folder


@pytest.fixture
def entry(tmp_path: Path) -> ExperimentEntry:
    return experiment_entry(tmp_path / "mirror")
