"""The digests of files, remembered from run to run: never an old one for a changed file."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from ray_remote_nni.experiment import digests
from ray_remote_nni.experiment.digests import Digests
from ray_remote_nni.paths import client_root


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file that was written a while ago, as far as we are concerned."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setattr(digests, "_RACY_NS", -(10**9))
    (tmp_path / "code").mkdir()
    path = tmp_path / "code/data.bin"
    path.write_text("first")
    return path


def ask(file: Path) -> bool:
    """One run of the client: return whether it read the file."""
    read = []

    def digest() -> str:
        read.append(file)
        return file.read_text()

    known = Digests(file.parent)
    assert known.digest("data.bin", file.stat(), digest) == file.read_text()
    known.save()
    return bool(read)


def test_a_file_that_has_not_changed_is_read_once(file: Path) -> None:
    assert [ask(file) for _ in range(3)] == [True, False, False]


@pytest.mark.parametrize("how", ["longer", "same size", "dated back", "replaced"])
def test_a_file_that_has_changed_is_read_again(file: Path, how: str) -> None:
    ask(file)
    before = file.stat()
    if how == "replaced":
        file.rename(file.with_name("old"))
    file.write_text({"longer": "second"}.get(how, "other"))
    if how in ("dated back", "replaced"):
        os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert ask(file)


def test_what_was_just_written_is_read_again_since_a_change_may_bear_the_same_time(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(digests, "_RACY_NS", 10**9)
    assert ask(file)
    assert ask(file)
    time.sleep(1.01)
    assert [ask(file), ask(file)] == [True, False]


def test_it_is_nobody_elses_to_read_or_change(file: Path) -> None:
    ask(file)
    (written,) = (client_root() / "digests").iterdir()
    assert written.stat().st_mode & 0o777 == 0o600
    assert written.parent.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("text", ["", "{", "[]", '{"data.bin": 1}', '{"data.bin": [1]}'])
def test_what_cannot_be_understood_is_forgotten(file: Path, text: str) -> None:
    ask(file)
    (written,) = (client_root() / "digests").iterdir()
    written.write_text(text)
    assert [ask(file), ask(file)] == [True, False]


def test_a_file_that_is_gone_and_a_directory_that_is_not_used_any_more_are_forgotten(file: Path) -> None:
    ask(file)
    (written,) = (client_root() / "digests").iterdir()
    unused = written.with_name("unused.json")
    unused.write_text("{}")
    os.utime(unused, (1, 1))
    known = Digests(file.parent)
    known.save()
    assert written.read_text() == "{}"
    assert not unused.exists()
