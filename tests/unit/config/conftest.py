from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest
from config_texts import Experiment, Load, Problems

from ray_remote_nni.config import ConfigInvalid, LoadedConfig, Problem, load_config


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An own home directory with a key in it."""
    home = tmp_path / "home"
    (home / ".ssh").mkdir(parents=True)
    (home / ".ssh" / "id_rsa").write_text("not a real key")
    monkeypatch.setenv("HOME", str(home))
    return home


@pytest.fixture
def load(tmp_path: Path, home: Path) -> Load:
    """Loads a config of this text from the file config.yml in tmp_path."""

    def load(text: str, environ: Mapping[str, str] | None = None) -> LoadedConfig:
        path = tmp_path / "config.yml"
        path.write_text(text)
        return load_config(path, environ or {})

    return load


@pytest.fixture
def experiment(load: Load) -> Experiment:
    """The experiment of a config of this text."""
    return lambda text, environ=None: load(text, environ).experiment


@pytest.fixture
def problems(load: Load) -> Problems:
    """The errors of a config of this text, as they come."""

    def problems(text: str, environ: Mapping[str, str] | None = None) -> list[Problem]:
        with pytest.raises(ConfigInvalid) as caught:
            load(text, environ)
        assert caught.value.exit_code == 2
        return [problem for problem in caught.value.problems if problem.level == "error"]

    return problems
