"""Code that has changed since an experiment began: it is resumed with that."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest
from experiment_values import experiment_spec, new_records
from this_machine import cluster

from ray_remote_nni.cluster.library import our_library
from ray_remote_nni.cluster.local import LocalTransport
from ray_remote_nni.config import load_config
from ray_remote_nni.errors import ClusterError
from ray_remote_nni.experiment.head import Head
from ray_remote_nni.experiment.registry import ExperimentEntry
from ray_remote_nni.experiment.renew import renew_code
from ray_remote_nni.experiment.spec import ExperimentSpec, read_spec, write_spec
from ray_remote_nni.experiment.upload import read_code
from ray_remote_nni.trial.code import code_folder, has_code
from ray_remote_nni.trial.working_copy import make_working_copy
from ray_remote_nni.trial.workspace import experiment_directory

CONFIG = """
searchSpace: {x: {_type: uniform, _value: [0, 1]}}
trialCommand: python3 trial.py
trialCodeDirectory: code
trialConcurrency: 1
tuner: {className: mine.Mine, codeDirectory: own}
trainingService: {platform: local}
"""


@pytest.fixture
def config(home: Path, tmp_path: Path) -> Path:
    """The configuration of an experiment whose code is on the head."""
    for folder, name in (("code", "trial.py"), ("own", "mine.py")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / name).write_text("first")
    (tmp_path / "config.yml").write_text(CONFIG)
    return tmp_path / "config.yml"


@pytest.fixture
def entry(entry: ExperimentEntry, config: Path) -> ExperimentEntry:
    """That experiment; its records, and its spec on the head."""
    code, own = (read_code(config.parent / folder).manifest.name for folder in ("code", "own"))
    known = load_config(config).experiment.public_dict()
    new_records(entry.mirror, config=known).close()
    own_tuner = {"class_name": "mine.Mine", "class_args": {}, "code": own}
    write_spec(experiment_directory("exp12345"), experiment_spec(code=code, own_tuner=own_tuner).to_json())
    return replace(entry, config=str(config), code=code)


def renewed(home: Path, entry: ExperimentEntry) -> tuple[ExperimentEntry, list[str], ExperimentSpec]:
    """What is renewed, and what the next driver is told."""
    state = replace(cluster(home), library=our_library()[0])
    (home / ".ray-nni/lib" / state.library).symlink_to("ray-nni-lib")
    entry, changed = asyncio.run(renew_code(entry, Head(state, LocalTransport()), lambda sent: None, print))
    return entry, changed, read_spec(experiment_directory("exp12345"))


def test_code_that_has_not_changed_stays(home: Path, entry: ExperimentEntry) -> None:
    before = read_spec(experiment_directory("exp12345"))
    assert renewed(home, entry) == (entry, [], before)


def test_trials_get_code_that_has_changed(home: Path, config: Path, entry: ExperimentEntry) -> None:
    (config.parent / "code/trial.py").write_text("mended")
    after, changed, spec = renewed(home, entry)
    assert changed == ["trial"]
    assert after.code == spec.code != entry.code
    make_working_copy(code_folder(spec.code), str(home / "copy"))
    assert (home / "copy/trial.py").read_text() == "mended"


def test_so_does_a_tuner(home: Path, config: Path, entry: ExperimentEntry) -> None:
    (config.parent / "own/mine.py").write_text("mended")
    after, changed, spec = renewed(home, entry)
    assert (after, changed, spec.code) == (entry, ["tuner"], entry.code)
    assert spec.own_tuner is not None
    assert has_code(spec.own_tuner["code"])


@pytest.mark.parametrize("change", [("trial.py", "other.py"), ("CodeDirectory: code", "CodeDirectory: own")])
def test_a_configuration_that_is_another_experiments_by_now_changes_no_trials(
    home: Path, config: Path, entry: ExperimentEntry, change: tuple[str, str]
) -> None:
    (config.parent / "code/trial.py").write_text("another")
    old, new = change
    config.write_text(CONFIG.replace("mine.Mine", "mine.Other").replace(old, new))
    assert renewed(home, entry)[1] == []


def test_without_its_configuration_all_stays_as_it_is_and_that_is_said(
    home: Path, config: Path, entry: ExperimentEntry, capsys: pytest.CaptureFixture[str]
) -> None:
    (config.parent / "code/trial.py").write_text("mended")
    config.unlink()
    assert renewed(home, entry)[1] == []
    assert f"not sent, since {config} cannot be read: ray-nni check {config}" in capsys.readouterr().out


def test_a_cluster_of_an_earlier_version_is_to_be_started_anew_first(
    home: Path, config: Path, entry: ExperimentEntry
) -> None:
    (config.parent / "code/trial.py").write_text("mended")
    with pytest.raises(ClusterError, match="started by another version"):
        asyncio.run(renew_code(entry, Head(cluster(home), LocalTransport()), lambda sent: None, print))
