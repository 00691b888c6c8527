"""A trial's own folder."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path

import pytest
from code_values import put_code
from trial_values import trial_spec

from ray_remote_nni.trial.workspace import last_lines, no_room, prepare_workspace


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    """Somebody's code: a file, a program, a folder, links."""
    folder = tmp_path / "mine"
    (folder / "data").mkdir(parents=True)
    (folder / "train.py").write_text("print('é')\n")
    (folder / "run.sh").write_text("#!/bin/sh\n")
    (folder / "run.sh").chmod(0o755)
    (folder / "data" / "Größe ✓.txt").write_text("x")
    (folder / "link").symlink_to("train.py")
    (folder / "dangling").symlink_to("/no/such/file")
    return folder


@pytest.fixture
def code(home: Path, mine: Path) -> Path:
    """It on this machine."""
    return put_code(mine)


def listing(folder: Path) -> dict[str, tuple[int, str]]:
    """Every path below a folder, with its mode and its content or target."""
    found = {}
    for path in sorted(folder.rglob("*")):
        what = os.readlink(path) if path.is_symlink() else path.read_text() if path.is_file() else "folder"
        found[str(path.relative_to(folder))] = (path.lstat().st_mode, what)
    return found


# The workspace


def test_a_trial_has_its_own_copy_of_the_code(mine: Path, code: Path) -> None:
    before = listing(mine)
    first, second = (prepare_workspace(trial_spec(trial_id=name), code) for name in ("aaaaa", "bbbbb"))
    (first.code / "train.py").write_text("changed")
    assert listing(second.code) == listing(prepare_workspace(trial_spec(), code).code) == before


def test_a_trial_finds_its_parameters_where_nni_looks_for_them(code: Path) -> None:
    workspace = prepare_workspace(trial_spec(sequence=3), code)
    record = json.loads((workspace.directory / "parameter.cfg").read_text(encoding="utf-8"))
    assert record["parameters"] == trial_spec().parameters
    assert record["parameter_id"] == 3
    assert record["parameter_source"] == "algorithm"
    assert record["parameter_index"] == 0


def test_the_folder_of_the_metric_file_is_there(code: Path) -> None:
    assert prepare_workspace(trial_spec(), code).metrics.parent.is_dir()


def test_trials_do_not_share_a_folder(code: Path) -> None:
    first, second = (prepare_workspace(trial_spec(trial_id=name), code) for name in ("aaaaa", "bbbbb"))
    assert first.directory != second.directory


def test_what_an_earlier_attempt_left_is_kept_beside_the_new_one(code: Path) -> None:
    for attempt in (1, 2, 3):
        workspace = prepare_workspace(trial_spec(attempt=attempt), code)
        workspace.stdout.write_text(f"attempt {attempt}")
    aside = [workspace.directory.with_name(f"aB3dE.attempt{number}") / "stdout" for number in (1, 2)]
    assert [file.read_text() for file in aside] == ["attempt 1", "attempt 2"]
    assert workspace.stdout.read_text() == "attempt 3"


def test_a_new_attempt_finds_no_metrics_of_the_old_one(code: Path) -> None:
    prepare_workspace(trial_spec(), code).metrics.write_text("ME000001x")
    assert not prepare_workspace(trial_spec(attempt=2), code).metrics.exists()


# The last lines of standard error


@pytest.mark.parametrize(
    ("written", "lines"),
    [
        (b"", ""),
        (b"one\n", "one"),
        (b"".join(b"%d\n" % n for n in range(30)), "\n".join(str(n) for n in range(20, 30))),
        (b"ends in nothing\n\n\n", "ends in nothing"),
        (b"\xff not UTF-8\n", "� not UTF-8"),
    ],
)
def test_the_last_lines_are_the_last_ten_that_say_something(tmp_path: Path, written: bytes, lines: str) -> None:
    (tmp_path / "stderr").write_bytes(written)
    assert last_lines(tmp_path / "stderr") == lines


def test_of_a_line_without_an_end_only_the_last_part_is_taken(tmp_path: Path) -> None:
    (tmp_path / "stderr").write_bytes(b"x" * 10_000_000)
    assert len(last_lines(tmp_path / "stderr")) == 4096


def test_a_file_that_is_not_there_has_no_last_lines(tmp_path: Path) -> None:
    assert last_lines(tmp_path / "stderr") == ""


def test_a_standard_error_that_cannot_be_read_has_no_last_lines(tmp_path: Path) -> None:
    assert last_lines(tmp_path) == ""


@pytest.mark.parametrize(("number", "told"), [(errno.ENOSPC, True), (errno.EDQUOT, True), (errno.EIO, False)])
def test_a_full_disk_or_quota_is_told_where_a_trial_could_not_write_its_last_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, told: bool
) -> None:
    def fail(_: int) -> None:
        raise OSError(number, os.strerror(number))

    assert no_room(tmp_path) == ""
    monkeypatch.setattr(os, "fsync", fail)
    assert (os.strerror(number) in no_room(tmp_path)) == told
