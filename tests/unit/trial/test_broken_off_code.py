"""Code whose way to a machine broke off: what has come is used if it is whole, and no more."""

from __future__ import annotations

import errno
import hashlib
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
from sent_code import (
    BIG,
    FILES,
    Bytes,
    asking,
    begin,
    bytes_of,
    files_in,
    head_sends,
    manifest_of,
    missing,
    put,
)

from ray_remote_nni.trial import assembly
from ray_remote_nni.trial.assembly import Assembly, ensure_code
from ray_remote_nni.trial.code import code_folder, has_code, locked, part_folder
from ray_remote_nni.trial.layout import Piece

#: Each begins on the head.
pytestmark = pytest.mark.usefixtures("machine")


def test_after_a_fetch_that_failed_the_next_one_fetches_what_is_not_whole(machine: Callable[[str], None]) -> None:
    name = put()
    fetch = head_sends(name)
    machine("worker")

    def fail(pieces: Sequence[Piece] | None) -> Iterator[bytes]:
        if pieces is None:
            yield from fetch(None)
        else:
            yield b"firstse"
            raise ConnectionError("the head is gone")

    with pytest.raises(ConnectionError):
        ensure_code(name, fail)
    assert not has_code(name)
    again, asked = asking(fetch)
    ensure_code(name, again)
    assert files_in(name) == FILES
    assert asked == [None, [Piece("pack", 5, 16)]]
    assert not part_folder(name).exists()


@pytest.mark.parametrize(("sent", "whole"), [(b"", 0), (b"firstsec", 5), (b"firstsecondimport", 11)])
def test_of_contents_that_end_too_early_nothing_is_used_but_what_is_whole(sent: bytes, whole: int) -> None:
    begin(FILES, sent)
    begin(FILES, b"")
    assert missing(FILES) == [Piece("pack", whole, 21 - whole)]
    put()
    assert files_in(manifest_of(FILES).name) == FILES


def test_what_broke_off_is_looked_at_before_it_counts() -> None:
    begin(FILES, b"firstsecond")
    pack = part_folder(manifest_of(FILES).name) / "pack"
    pack.write_bytes(b"first\0\0\0\0\0\0import pkg")
    assert missing(FILES) == [Piece("pack", 5, 16)]
    assert pack.read_bytes() == b"first"


def test_of_a_large_file_that_broke_off_the_rest_is_enough_if_it_fits() -> None:
    digest = hashlib.sha256(BIG).hexdigest()
    files = {**FILES, "pkg/big": BIG}
    begin(files, b"firstsecondimport pkg" + BIG[: 2**20])
    for _ in range(2):
        assert missing(files) == [Piece(digest, 2**20, 2 * 2**20)]
    begin(files, BIG[2**20 : 2 * 2**20])
    manifest = manifest_of(files)
    with locked(manifest.name):
        making = Assembly(manifest)
        assert making.missing == [Piece(digest, 2 * 2**20, 2**20)]
        with pytest.raises(EOFError, match=r"pkg/big is not what it was"):
            making.receive(Bytes(bytes(2**20)))
    assert missing(files) == [Piece(digest, 0, 3 * 2**20)]
    begin(files, BIG[:-1])
    assert files_in(put(files)) == files
    assert not part_folder(manifest.name).exists()


def test_a_large_file_that_had_come_whole_is_not_sent_again_where_its_time_is_another_now() -> None:
    files = {**FILES, "pkg/big": BIG, "pkg/more": BIG[::-1]}
    begin(files, b"firstsecondimport pkg" + BIG + BIG[:0:-1])
    (whole,) = part_folder(manifest_of(files).name).glob(hashlib.sha256(BIG).hexdigest())
    manifest = manifest_of(files, mtime_ns=5)
    with locked(manifest.name):
        making = Assembly(manifest)
        assert making.missing == [Piece(hashlib.sha256(BIG[::-1]).hexdigest(), len(BIG) - 1, 1)]
        # It was read-only, and only root could go on with it.
        assert whole.with_name(f"{whole.name}.half").stat().st_mode & 0o777 == 0o600
        making.receive(Bytes(BIG[:1]))
    assert files_in(manifest.name) == files
    status = (code_folder(manifest.name) / whole.name).stat()
    assert (status.st_mtime_ns, status.st_mode & 0o777) == (5, 0o444)


@pytest.mark.parametrize("last", [(Path, "chmod"), (os, "utime")])
def test_a_large_file_is_read_only_wherever_its_making_was_cut_off(
    last: tuple[object, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    files = {**FILES, "pkg/big": BIG}

    def killed(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as until, locked(manifest_of(files).name):
        making = Assembly(manifest_of(files))
        until.setattr(*last, killed)
        with pytest.raises(KeyboardInterrupt):
            making.receive(Bytes(bytes_of(files, making.missing)))
    folder = code_folder(put(files))
    assert (folder / hashlib.sha256(BIG).hexdigest()).stat().st_mode & 0o777 == 0o444


def test_a_large_file_that_broke_off_and_has_come_with_other_code_since_is_taken_from_there() -> None:
    files = {**FILES, "pkg/big": BIG}
    begin(files, b"firstsecondimport pkg" + BIG[: 2**20])
    put({"big": BIG})
    assert missing(files) == []
    folder = code_folder(put(files))
    assert len(list(folder.iterdir())) == 3


def test_a_full_disk_is_left_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(assembly, "_append", full)
    with pytest.raises(OSError, match="No space left"):
        put()
    assert not part_folder(manifest_of(FILES).name).exists()


def test_what_broke_off_and_was_not_taken_up_again_goes_after_a_day() -> None:
    begin(FILES, b"first")
    put({"a": b"code"})
    part = part_folder(manifest_of(FILES).name)
    with locked(manifest_of(FILES).name):
        os.utime(part, (1, 1))
        put({"b": b"code"})
        assert part.exists()
    put({"c": b"code"})
    assert not part.exists()


def test_a_folder_without_its_manifest_is_not_used_and_made_anew() -> None:
    # As a version of old left it, say.
    name = manifest_of(FILES).name
    (code_folder(name) / "pkg").mkdir(parents=True)
    assert not has_code(name)
    assert files_in(put()) == FILES
