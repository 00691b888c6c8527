"""What the client remembers of its experiments."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from experiment_values import experiment_entry

from ray_remote_nni.errors import NotFound, RayNniError
from ray_remote_nni.experiment.registry import all_experiments, find_experiment


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


def remember(*entries: tuple[str, str | None, float]) -> None:
    for experiment_id, name, started in entries:
        experiment_entry(Path("/r"), experiment_id=experiment_id, name=name, started=started).save()


def test_an_entry_is_read_as_it_was_written(home: Path) -> None:
    entry = experiment_entry(home / "größe", name="näme")
    entry.save()
    assert all_experiments() == [entry]


def test_a_second_save_replaces_the_first_and_leaves_nothing_else(home: Path) -> None:
    experiment_entry(home, job="one").save()
    experiment_entry(home, job="two").save()
    assert [entry.job for entry in all_experiments()] == ["two"]
    assert len(list((home / ".ray-nni" / "experiments").iterdir())) == 1


def test_a_save_that_fails_changes_nothing_and_leaves_nothing(home: Path) -> None:
    experiment_entry(home, job="one").save()
    with pytest.raises(TypeError):
        experiment_entry(home, job=object()).save()
    assert [entry.job for entry in all_experiments()] == ["one"]
    assert len(list((home / ".ray-nni" / "experiments").iterdir())) == 1


def test_an_entry_can_be_read_by_its_owner_only(home: Path) -> None:
    before = os.umask(0)
    try:
        experiment_entry(home).save()
    finally:
        os.umask(before)
    (file,) = (home / ".ray-nni" / "experiments").iterdir()
    assert file.stat().st_mode & 0o777 == 0o600


def test_experiments_are_listed_the_latest_first() -> None:
    remember(("a", None, 1), ("b", None, 3), ("c", None, 2))
    assert [entry.experiment_id for entry in all_experiments()] == ["b", "c", "a"]


def test_an_experiment_that_is_not_named_means_the_latest() -> None:
    remember(("a", None, 1), ("b", None, 3))
    assert find_experiment(None).experiment_id == "b"


def test_an_experiment_is_found_by_its_id_and_by_its_name() -> None:
    remember(("a", "first", 1), ("b", "second", 2))
    assert find_experiment("a").experiment_id == "a"
    assert find_experiment("second").experiment_id == "b"


def test_of_several_experiments_with_a_name_the_latest_is_meant() -> None:
    remember(("a", "same", 1), ("b", "same", 3), ("c", "same", 2))
    assert find_experiment("same").experiment_id == "b"


def test_an_experiment_that_is_not_there_is_told_with_those_that_are() -> None:
    remember(("aaaa1111", None, 1))
    with pytest.raises(NotFound, match=r"no experiment zzz here.*aaaa1111") as caught:
        find_experiment("zzz")
    assert caught.value.exit_code == 4


def test_without_any_experiment_the_next_command_is_told() -> None:
    with pytest.raises(NotFound, match="ray-nni run"):
        find_experiment(None)


def test_an_entry_knows_where_its_mirror_is(home: Path) -> None:
    entry = experiment_entry(home / "exp")
    assert entry.mirror == home / "exp" / "records.sqlite"
    assert entry.trials_directory == home / "exp" / "trials"


@pytest.mark.parametrize("text", ["", "{", "[]", '{"name": null}'])
def test_a_damaged_entry_is_named(home: Path, text: str) -> None:
    remember(("a", None, 1))
    (home / ".ray-nni" / "experiments" / "b.json").write_text(text)
    with pytest.raises(RayNniError, match=r"b\.json is damaged"):
        all_experiments()
