"""A trial's own copy of the code: everything in it is the trial's to change, and it costs next to nothing."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ray_remote_nni.trial import working_copy
from ray_remote_nni.trial.manifest import Entry
from ray_remote_nni.trial.working_copy import decide, large_files, leave_to_others, make_working_copy, stock

BIG = 2 * 2**20


@pytest.fixture
def code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Code on a machine whose file system cannot share blocks: one large file, three small ones, links."""
    monkeypatch.setattr(working_copy, "_clone", lambda *_: False)
    folder = tmp_path / "code"
    (folder / "data/deep").mkdir(parents=True)
    (folder / "train.py").write_text("print('é')\n")
    (folder / "run.sh").write_text("#!/bin/sh\n")
    (folder / "run.sh").chmod(0o755)
    (folder / "data/deep/empty").touch()
    (folder / "data/big").write_bytes(os.urandom(BIG))
    (folder / "data/big").chmod(0o444)
    (folder / "link").symlink_to("train.py")
    (folder / "dangling").symlink_to("/no/such/file")
    return folder


def contents(folder: Path) -> dict[str, object]:
    found: dict[str, object] = {}
    for path in sorted(folder.rglob("*")):
        found[str(path.relative_to(folder))] = (
            os.readlink(path) if path.is_symlink() else path.read_bytes() if path.is_file() else None
        )
    return found


def copy(code: Path, name: str) -> Path:
    target = code.parent / name
    make_working_copy(code, str(target))
    return target


def spares(code: Path) -> list[str]:
    folder = code.with_name("code.spare")
    return os.listdir(folder) if folder.exists() else []


def test_a_copy_holds_everything(code: Path) -> None:
    mine = copy(code, "one")
    assert contents(mine) == contents(code)
    assert (mine / "run.sh").stat().st_mode & 0o777 == 0o755
    for path in ("train.py", "data/big"):
        assert (mine / path).stat().st_mtime_ns == (code / path).stat().st_mtime_ns


@pytest.mark.parametrize("path", ["train.py", "run.sh", "data/deep/empty", "data/big"])
@pytest.mark.parametrize("how", ["r+b", "ab", "wb"])
def test_a_file_that_a_trial_writes_to_in_place_is_its_own(code: Path, path: str, how: str) -> None:
    before = contents(code)
    first, second = copy(code, "one"), copy(code, "two")
    assert (first / path).stat().st_mode & 0o200
    with (first / path).open(how) as file:
        file.write(b"changed")
    leave_to_others(code, str(first))
    assert contents(code) == contents(second) == contents(copy(code, "three")) == before
    assert b"changed" in (first / path).read_bytes()


def test_a_large_file_goes_from_trial_to_trial_and_can_still_be_read(code: Path) -> None:
    first = copy(code, "one")
    inode = (first / "data/big").stat().st_ino
    leave_to_others(code, str(first))
    second = copy(code, "two")
    assert (second / "data/big").stat().st_ino == inode
    assert (second / "data/big").stat().st_mode & 0o777 == 0o644
    # The first keeps a read-only name of the machine's own.
    assert (first / "data/big").samefile(code / "data/big")
    assert contents(first) == contents(code)


def test_a_large_file_that_its_trial_replaced_removed_or_linked_is_left_to_nobody(code: Path) -> None:
    trials = [copy(code, name) for name in ("one", "two", "three", "four")]
    (trials[0] / "data/big").unlink()
    (trials[1] / "data/big").unlink()
    (trials[1] / "data/big").write_bytes(b"x" * BIG)
    os.link(trials[2] / "data/big", trials[2] / "kept")
    (trials[3] / "data/big").rename(trials[3] / "moved")
    (trials[3] / "data/big").symlink_to("moved")
    for trial in trials:
        leave_to_others(code, str(trial))
    assert spares(code) == []
    assert (trials[1] / "data/big").read_bytes() == b"x" * BIG


def test_a_copy_made_beforehand_is_taken(code: Path) -> None:
    stock(code)
    (spare,) = spares(code)
    inode = (code.with_name("code.spare") / spare).stat().st_ino
    assert (copy(code, "one") / "data/big").stat().st_ino == inode
    assert spares(code) == []


def test_what_is_half_copied_is_not_taken(code: Path) -> None:
    code.with_name("code.spare").mkdir()
    (code.with_name("code.spare") / "0-1234.part").write_text("half")
    assert contents(copy(code, "one")) == contents(code)


def test_a_full_disk_makes_a_large_file_read_only_instead(code: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: str, target: str, __: object) -> None:
        Path(target).touch()
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(working_copy, "_copy_large", full)
    stock(code)
    assert spares(code) == []
    assert (copy(code, "one") / "data/big").samefile(code / "data/big")


def test_small_files_are_copied_large_ones_passed_on_and_huge_ones_linked() -> None:
    sizes = {"tiny": 10, "data": 500 * 2**20, "huge": 5 * 2**30}
    plan = decide([Entry(path, "file", 0o444, size) for path, size in sizes.items()], lambda _: b"0123456789")
    assert [file.path for file in plan.copied] == ["tiny"]
    assert [file.path for file in plan.passed_on] == ["data"]
    assert [file.path for file in plan.linked] == ["huge"]


def test_too_many_small_files_count_as_large() -> None:
    entries = [Entry(str(number), "file", 0o644, 2**19 + number) for number in range(100)]
    assert large_files(entries) == {str(number) for number in range(63, 100)}
    assert large_files(entries[:60]) == set()
