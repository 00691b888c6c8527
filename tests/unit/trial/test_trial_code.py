"""The code on a machine: fetched from the head, as little of it as is needed, whole or not at all."""

from __future__ import annotations

import errno
import hashlib
import io
import json
import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from ray_remote_nni.trial import assembly
from ray_remote_nni.trial.assembly import Assembly, ensure_code
from ray_remote_nni.trial.code import KEPT_S, code_folder, has_code, locked, part_folder, prune_code
from ray_remote_nni.trial.layout import Piece, layout_of
from ray_remote_nni.trial.manifest import Entry, Manifest, read_manifest
from ray_remote_nni.trial.outgoing import OutgoingCode, in_chunks
from ray_remote_nni.trial.working_copy import make_working_copy

Fetch = Callable[[Sequence[Piece] | None], Iterator[bytes]]
COPIES = iter(range(10**6))


class Bytes:
    """A reader that gives a few bytes at a time, as a network does."""

    def __init__(self, data: bytes) -> None:
        self._data = io.BytesIO(data)
        # Few where there are few, so that each is cut; a large file's would take for ever so.
        self._most = 5 if len(data) < 2**16 else 2**14 + 1

    def read(self, size: int, /) -> bytes:
        return self._data.read(min(size, self._most))


def manifest_of(files: dict[str, bytes], mtime_ns: int = 1_000_000_000) -> Manifest:
    entries = [
        Entry(path, "file", 0o644, len(data), mtime_ns, hashlib.sha256(data).hexdigest())
        for path, data in files.items()
    ]
    return Manifest((Entry("pkg", "folder", 0o755), *entries, Entry("link", "link", content="train.py")))


#: The code's bytes are "first", "second", "import pkg".
FILES = {"pkg/a": b"first", "pkg/b": b"second", "train.py": b"import pkg"}
BIG = os.urandom(3 * 2**20)


@pytest.fixture(autouse=True)
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Moves to another machine."""

    def move(name: str) -> None:
        (tmp_path / name).mkdir(exist_ok=True)
        monkeypatch.setenv("HOME", str(tmp_path / name))

    move("head")
    return move


def bytes_of(files: dict[str, bytes], pieces: Sequence[Piece]) -> bytes:
    """What these pieces of the code's files are."""
    layout = layout_of(manifest_of(files))
    content = {"pack": b"".join(files[entry.path] for entry in layout.packed)}
    content |= {entry.content: files[entry.path] for entry in layout.large}
    return b"".join(content[file][start : start + size] for file, start, size in pieces)


def put(files: dict[str, bytes] = FILES, mtime_ns: int = 1_000_000_000) -> str:
    """Bring code to this machine; return its name."""
    manifest = manifest_of(files, mtime_ns)
    with locked(manifest.name):
        making = Assembly(manifest)
        making.receive(Bytes(bytes_of(files, making.missing)))
    return manifest.name


def missing(files: dict[str, bytes]) -> list[Piece]:
    """What this machine would be sent of code."""
    manifest = manifest_of(files)
    with locked(manifest.name):
        return Assembly(manifest).missing


def begin(files: dict[str, bytes], sent: bytes) -> None:
    """Bring code to this machine, of which so much is sent before it breaks off."""
    manifest = manifest_of(files)
    with locked(manifest.name), pytest.raises(EOFError, match="ended too early"):
        Assembly(manifest).receive(Bytes(sent))
    assert not has_code(manifest.name)


def files_in(name: str) -> dict[str, bytes]:
    """The files that a trial with this code has."""
    target = Path(os.environ["HOME"]) / f"copy{next(COPIES)}"
    make_working_copy(code_folder(name), str(target))
    return {
        str(path.relative_to(target)): path.read_bytes()
        for path in target.rglob("*")
        if path.is_file() and not path.is_symlink()
    }


def head_sends(name: str) -> Fetch:
    """What the head would send of its code, as this machine asks for it; the head's home is where we are now."""
    head = os.environ["HOME"]

    def fetch(pieces: Sequence[Piece] | None) -> Iterator[bytes]:
        here, os.environ["HOME"] = os.environ["HOME"], head
        try:
            code = OutgoingCode(name)
            if pieces is None:
                return iter([code.manifest])
            return iter(list(in_chunks(code.pieces(pieces), 2**20)))
        finally:
            os.environ["HOME"] = here

    return fetch


def asking(fetch: Fetch) -> tuple[Fetch, list[Sequence[Piece] | None]]:
    """`fetch`, and what it is asked for."""
    asked: list[Sequence[Piece] | None] = []

    def ask(pieces: Sequence[Piece] | None) -> Iterator[bytes]:
        asked.append(pieces)
        return fetch(pieces)

    return ask, asked


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


def test_a_large_file_that_other_code_has_too_stays_as_it_is_there() -> None:
    other = code_folder(put({"big": BIG}))
    files = {**FILES, "pkg/big": BIG, "pkg/more": BIG[::-1]}
    begin(files, b"firstsecondimport pkg")
    put(files, mtime_ns=5)
    status = (other / hashlib.sha256(BIG).hexdigest()).stat()
    assert (status.st_mtime_ns, status.st_mode & 0o777) == (1_000_000_000, 0o444)


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
