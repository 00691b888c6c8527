"""The trial code directory on its way to the head."""

from __future__ import annotations

import io
import os
import socket
import tarfile
from pathlib import Path

import pytest

from ray_remote_nni.cluster.remote import install
from ray_remote_nni.errors import UsageError
from ray_remote_nni.experiment import upload
from ray_remote_nni.experiment.upload import code_files, digest_code, pack_code


@pytest.fixture
def code(tmp_path: Path) -> Path:
    """A small project of somebody's."""
    folder = tmp_path / "code"
    (folder / "pkg" / "empty").mkdir(parents=True)
    (folder / "train.py").write_text("import pkg\n")
    (folder / "pkg" / "__init__.py").touch()
    (folder / "run.sh").write_text("#!/bin/sh\n")
    (folder / "run.sh").chmod(0o755)
    return folder


def names(code: Path, *excluded: Path) -> list[str]:
    return [name for name, _ in code_files(code, frozenset(excluded))]


def arrived(code: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *excluded: Path) -> Path:
    """Send the code to a machine; return its folder there."""
    monkeypatch.setenv("HOME", str(tmp_path / "machine"))
    with pack_code(code, frozenset(excluded)) as archive:
        data = archive.read()
    return Path(install.main({"kind": "code", "name": "x", "size": len(data)}, io.BytesIO(data)))


def test_everything_is_uploaded_folders_included(code: Path) -> None:
    assert names(code) == ["pkg", "run.sh", "train.py", "pkg/__init__.py", "pkg/empty"]


@pytest.mark.parametrize(
    "name", [".ssh", ".ray-nni", ".git", "__pycache__", ".venv", ".mypy_cache", ".ipynb_checkpoints"]
)
def test_what_no_trial_needs_stays_here_wherever_it_lies(code: Path, name: str) -> None:
    before = names(code)
    for folder in (code, code / "pkg"):
        (folder / name).mkdir()
        (folder / name / "file").touch()
    assert names(code) == before


def test_a_virtual_environment_stays_here_whatever_its_name(code: Path) -> None:
    before = names(code)
    (code / "my-env").mkdir()
    (code / "my-env" / "pyvenv.cfg").touch()
    assert names(code) == before


def test_hidden_files_and_other_dotted_names_go_along(code: Path) -> None:
    (code / ".settings").touch()
    (code / ".gitignore").touch()
    assert {".settings", ".gitignore"} <= set(names(code))


def test_the_configuration_stays_here(code: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = code / "config.yml"
    config.write_text("password: bob123\n")
    assert "config.yml" not in names(code, config)
    assert not (arrived(code, tmp_path, monkeypatch, config) / "config.yml").exists()


def test_a_file_of_the_same_name_elsewhere_is_not_the_configuration(code: Path) -> None:
    (code / "pkg" / "config.yml").touch()
    assert "pkg/config.yml" in names(code, code / "config.yml")


def test_the_results_of_experiments_stay_here_with_all_that_is_below(code: Path) -> None:
    before = names(code)
    (code / "results" / "abc" / "trials").mkdir(parents=True)
    assert names(code, code / "results") == before


def test_what_is_excluded_does_not_change_the_digest(code: Path) -> None:
    config = code / "config.yml"
    config.write_text("trialConcurrency: 1\n")
    before = digest_code(code, frozenset([config]))
    config.write_text("trialConcurrency: 2\n")
    assert digest_code(code, frozenset([config])) == before


def test_the_same_content_in_another_place_at_another_time_has_the_same_digest(code: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    os.rename(code, other)
    before = digest_code(other)
    for path in other.rglob("*"):
        os.utime(path, (1, 1))
    os.rename(other, code)
    assert digest_code(code) == before


@pytest.mark.parametrize("change", ["content", "name", "mode", "link", "empty folder", "file to folder"])
def test_every_change_that_a_trial_could_notice_changes_the_digest(code: Path, change: str) -> None:
    before = digest_code(code)
    if change == "content":
        (code / "train.py").write_text("import gkp\n")
    elif change == "name":
        (code / "train.py").rename(code / "Train.py")
    elif change == "mode":
        (code / "train.py").chmod(0o755)
    elif change == "link":
        (code / "link").symlink_to("train.py")
    elif change == "empty folder":
        (code / "pkg" / "empty").rmdir()
    else:
        (code / "pkg" / "__init__.py").unlink()
        (code / "pkg" / "__init__.py").mkdir()
    assert digest_code(code) != before


def test_a_link_that_leads_elsewhere_changes_the_digest(code: Path) -> None:
    (code / "link").symlink_to("train.py")
    before = digest_code(code)
    (code / "link").unlink()
    (code / "link").symlink_to("run.sh")
    assert digest_code(code) != before


def test_what_only_the_owner_may_do_does_not_change_the_digest(code: Path) -> None:
    before = digest_code(code)
    (code / "train.py").chmod(0o600)
    assert digest_code(code) == before


def test_a_file_that_cannot_be_read_is_named(code: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: object, path: Path) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(upload, "_update", fail)
    with pytest.raises(UsageError, match=r"trialCodeDirectory: .*\.sh cannot be read: Permission denied"):
        digest_code(code)


def test_a_file_that_vanishes_while_it_is_packed_is_named(code: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    listed = list(code_files(code))
    (code / "train.py").unlink()
    monkeypatch.setattr(upload, "code_files", lambda *_: iter(listed))
    with pytest.raises(UsageError, match=r"trialCodeDirectory: .*train\.py changed while it was read"):
        pack_code(code)


def test_modes_and_links_arrive_as_they_were(code: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (code / "link").symlink_to("pkg/../train.py")
    (code / "dangling").symlink_to("/no/such/file")
    there = arrived(code, tmp_path, monkeypatch)
    assert (there / "run.sh").stat().st_mode & 0o777 == 0o755
    assert os.readlink(there / "link") == "pkg/../train.py"
    assert os.readlink(there / "dangling") == "/no/such/file"
    assert (there / "pkg" / "empty").is_dir()


def test_a_link_to_a_folder_arrives_as_a_link(code: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (code / "again").symlink_to("pkg")
    (code / "loop").symlink_to(".")
    there = arrived(code, tmp_path, monkeypatch)
    assert os.readlink(there / "again") == "pkg"
    assert os.readlink(there / "loop") == "."


@pytest.mark.parametrize("name", ["Größe ✓.txt", "a b'c\"d.txt", "line\nbreak.txt", os.fsdecode(b"latin-\xe9.txt")])
def test_any_name_arrives_as_it_was(code: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    (code / name).write_text("x")
    assert digest_code(code)
    assert (arrived(code, tmp_path, monkeypatch) / name).read_text() == "x"


def test_a_very_long_path_arrives(code: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    deep = Path(*["d" * 60] * 5)
    (code / deep).mkdir(parents=True)
    (code / deep / "file").touch()
    assert (arrived(code, tmp_path, monkeypatch) / deep / "file").is_file()


def test_two_names_of_one_file_both_arrive(code: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    os.link(code / "train.py", code / "pkg" / "same.py")
    there = arrived(code, tmp_path, monkeypatch)
    assert (there / "pkg" / "same.py").read_text() == (there / "train.py").read_text() == "import pkg\n"


def test_pipes_and_sockets_are_left_behind(code: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    os.mkfifo(code / "pipe")
    with socket.socket(socket.AF_UNIX) as listening:
        monkeypatch.chdir(code)
        listening.bind("socket")
        assert digest_code(code)
        there = arrived(code, tmp_path, monkeypatch)
    assert not (there / "pipe").exists()
    assert not (there / "socket").exists()


def test_nobodys_name_is_in_the_archive(code: Path) -> None:
    with pack_code(code) as packed, tarfile.open(fileobj=packed) as archive:
        assert {(entry.uid, entry.gid, entry.uname, entry.gname) for entry in archive} == {(0, 0, "", "")}
