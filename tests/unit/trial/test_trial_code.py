"""The code on a machine: fetched from the head, as little of it as is needed, whole or not at all."""

from __future__ import annotations

import hashlib
import json
import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
from sent_code import (
    BIG,
    FILES,
    asking,
    begin,
    bytes_of,
    files_in,
    head_sends,
    missing,
    put,
)

from ray_remote_nni.trial import assembly
from ray_remote_nni.trial.assembly import ensure_code
from ray_remote_nni.trial.code import KEPT_S, code_folder, prune_code
from ray_remote_nni.trial.layout import Piece
from ray_remote_nni.trial.manifest import Entry, Manifest, read_manifest
from ray_remote_nni.trial.working_copy import make_working_copy

#: Each begins on the head.
pytestmark = pytest.mark.usefixtures("machine")


def test_code_that_is_here_is_not_fetched() -> None:
    name = put()
    fetch, asked = asking(head_sends(name))
    assert ensure_code(name, fetch) == code_folder(name)
    assert asked == []


def test_code_arrives_as_it_was_sent(machine: Callable[[str], None], tmp_path: Path) -> None:
    files = {**FILES, "pkg/big": BIG}
    name = put(files)
    fetch = head_sends(name)
    machine("worker")
    assert ensure_code(name, fetch) == code_folder(name)
    assert files_in(name) == files
    make_working_copy(code_folder(name), str(tmp_path / "copy"))
    assert os.readlink(tmp_path / "copy/link") == "train.py"
    for path in ("train.py", "pkg/big"):
        assert (tmp_path / "copy" / path).stat().st_mtime_ns == 1_000_000_000


def test_small_files_lie_on_a_machine_in_one() -> None:
    folder = code_folder(put({**FILES, "big": BIG, "twice": BIG, "again": b"first"}))
    assert sorted(path.name for path in folder.iterdir()) == sorted(
        ["manifest", "pack", hashlib.sha256(BIG).hexdigest()]
    )
    assert (folder / "pack").read_bytes() == b"firstsecondimport pkg"


def test_a_machine_fetches_only_what_it_has_not(machine: Callable[[str], None]) -> None:
    changed = {**FILES, "pkg/b": b"new", "train.py": b"import pkg, os", "z": b"first"}
    first, second = put(), put(changed)
    fetches = [head_sends(first), head_sends(second)]
    machine("worker")
    ensure_code(first, fetches[0])
    fetch, asked = asking(fetches[1])
    ensure_code(second, fetch)
    assert files_in(second) == changed
    assert asked == [None, [Piece("pack", 5, 3 + 14)]]


def test_contents_are_taken_from_the_packs_and_files_of_several_codes() -> None:
    put({"pkg/a": b"one", "pkg/big": BIG})
    put({"two": b"two", "three": b"three"})
    files = {"pkg/x": b"three", "pkg/y": b"new", "pkg/z": b"two", "q": b"one", "other": BIG, "same": b"three"}
    assert missing(files) == [Piece("pack", 5, 3)]
    assert files_in(put(files)) == files


@pytest.mark.parametrize("path", ["pack", "large"])
def test_what_somebody_changed_on_the_machine_is_sent_again(path: str) -> None:
    file = code_folder(put({**FILES, "big": BIG})) / (path if path == "pack" else hashlib.sha256(BIG).hexdigest())
    file.chmod(0o600)
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)
    other = {**FILES, "big": BIG, "z": b"other"}
    assert bytes_of(other, missing(other)) == b"import pkgother" if path == "pack" else b"other" + BIG
    assert files_in(put(other)) == other


def test_of_several_trials_that_start_at_once_one_fetches_and_all_find_it_whole(machine: Callable[[str], None]) -> None:
    name = put()
    whole = [Piece("pack", 0, 21)]
    contents = {None: list(head_sends(name)(None)), "all": list(head_sends(name)(whole))}
    machine("worker")
    fetches: list[object] = []
    together = threading.Barrier(4)

    def fetch(pieces: Sequence[Piece] | None) -> Iterator[bytes]:
        fetches.append(pieces)
        yield from contents["all" if pieces is not None else None]

    def start() -> None:
        together.wait()
        assert (ensure_code(name, fetch) / "pack").read_bytes() == b"firstsecondimport pkg"

    errors: list[object] = []
    trials = [threading.Thread(target=start) for _ in range(4)]
    hook, threading.excepthook = threading.excepthook, lambda hook: errors.append(hook.exc_value)
    for trial in trials:
        trial.start()
    for trial in trials:
        trial.join()
    threading.excepthook = hook
    assert errors == []
    assert fetches == [None, whole]


def test_a_large_file_that_other_code_has_too_stays_as_it_is_there() -> None:
    other = code_folder(put({"big": BIG}))
    files = {**FILES, "pkg/big": BIG, "pkg/more": BIG[::-1]}
    begin(files, b"firstsecondimport pkg")
    put(files, mtime_ns=5)
    status = (other / hashlib.sha256(BIG).hexdigest()).stat()
    assert (status.st_mtime_ns, status.st_mode & 0o777) == (1_000_000_000, 0o444)


def test_large_files_are_read_only_on_the_machine_and_shared_the_packs_are_not() -> None:
    first, second = code_folder(put({**FILES, "big": BIG})), code_folder(put({"big": BIG, "a": b"first"}))
    large = hashlib.sha256(BIG).hexdigest()
    assert (first / large).samefile(second / large)
    assert (first / large).stat().st_mode & 0o777 == 0o444
    assert not (first / "pack").samefile(second / "pack")


def test_a_large_file_of_another_time_is_another_on_the_machine_and_not_sent() -> None:
    files = {"big": BIG}
    first = put({**files, "a": b"1"}, mtime_ns=5)
    assert missing(files) == []
    second = put(files)
    digest = hashlib.sha256(BIG).hexdigest()
    assert [(code_folder(name) / digest).stat().st_mtime_ns for name in (first, second)] == [5, 1_000_000_000]


def test_code_that_nobody_names_or_uses_goes_after_a_while(tmp_path: Path) -> None:
    old, named = put(), put({"a": b"1"})
    experiment = tmp_path / "head/.ray-nni/experiments/abc"
    experiment.mkdir(parents=True)
    (experiment / "experiment.json").write_text(json.dumps({"code": named}))
    (experiment.parent / "broken").mkdir()
    (experiment.parent / "broken/experiment.json").write_text("{")
    now = (code_folder(old) / "manifest").stat().st_mtime
    assert prune_code(now + KEPT_S - 1) == []
    assert prune_code(now + KEPT_S + 60) == [old]
    assert {path.name for path in code_folder(old).parent.iterdir()} == {named, f".{named}.lock"}


def test_what_an_earlier_version_left_goes() -> None:
    name = put()
    folder = code_folder("0123456789abcdef")
    (folder / "pkg").mkdir(parents=True)
    folder.with_name(f"{folder.name}.manifest").write_text("[]")
    folder.with_name(f"{folder.name}.part-1234").mkdir()
    assert set(prune_code(time.time())) == {folder.name}
    assert {path.name for path in folder.parent.iterdir()} == {name, f".{name}.lock"}


def test_code_that_is_used_stays() -> None:
    name = put()
    written = code_folder(name) / "manifest"
    os.utime(written, (1, 1))
    assembly._is_here.cache_clear()
    ensure_code(name, lambda _: iter(()))
    assert prune_code(written.stat().st_mtime + KEPT_S - 60) == []


def test_a_manifest_survives_its_text() -> None:
    manifest = Manifest(
        (Entry("Größe ✓", "folder", 0o700), Entry(os.fsdecode(b"\xe9"), "file", 0o755, 3, 10**18 + 1, "abc"))
    )
    assert read_manifest(manifest.to_json()) == manifest
    assert read_manifest(manifest.to_json()).name == manifest.name
    for text in ("[[1]]", '[["a", "file", 1, 2, 3, "", 7]]', "{"):
        with pytest.raises(ValueError):  # noqa: PT011
            read_manifest(text)
