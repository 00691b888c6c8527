"""The code on a machine: fetched from the head, as little of it as is needed, whole or not at all."""

from __future__ import annotations

import errno
import hashlib
import io
import json
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from ray_remote_nni.trial import assembly
from ray_remote_nni.trial.assembly import begun_files, ensure_code, missing_files, receive_code
from ray_remote_nni.trial.code import KEPT_S, code_folder, has_code, locked, prune_code
from ray_remote_nni.trial.manifest import Entry, Manifest, read_manifest
from ray_remote_nni.trial.outgoing import OutgoingCode, in_chunks

Fetch = Callable[[Sequence[str] | None], Iterator[bytes]]


class Bytes:
    """A reader that gives a few bytes at a time, as a network does."""

    def __init__(self, data: bytes) -> None:
        self._data = io.BytesIO(data)

    def read(self, size: int, /) -> bytes:
        return self._data.read(min(size, self._most))

    @property
    def _most(self) -> int:
        # Few where there are few, so that each is cut; a large file's would take for ever so.
        return 5 if len(self._data.getbuffer()) < 2**16 else 2**14 + 1


def manifest_of(files: dict[str, bytes]) -> Manifest:
    entries = [
        Entry(path, "file", 0o644, len(data), 1_000_000_000, hashlib.sha256(data).hexdigest())
        for path, data in files.items()
    ]
    return Manifest((Entry("pkg", "folder", 0o755), *entries, Entry("link", "link", content="train.py")))


FILES = {"pkg/a": b"first", "pkg/b": b"second", "train.py": b"import pkg"}


@pytest.fixture(autouse=True)
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Moves to another machine."""

    def move(name: str) -> None:
        (tmp_path / name).mkdir(exist_ok=True)
        monkeypatch.setenv("HOME", str(tmp_path / name))

    move("head")
    return move


def put(files: dict[str, bytes] = FILES) -> str:
    """Bring code to this machine; return its name."""
    manifest = manifest_of(files)
    with locked(manifest.name):
        missing = missing_files(manifest)
        by_digest = {hashlib.sha256(data).hexdigest(): data for data in files.values()}
        receive_code(manifest, missing, Bytes(b"".join(by_digest[digest] for digest in missing)))
    return manifest.name


def head_sends(name: str) -> Fetch:
    """What the head would send of its code, as this machine asks for it; the head's home is where we are now."""
    head = os.environ["HOME"]

    def fetch(digests: Sequence[str] | None) -> Iterator[bytes]:
        here, os.environ["HOME"] = os.environ["HOME"], head
        try:
            code = OutgoingCode(name)
            if digests is None:
                return iter([code.manifest.to_json().encode()])
            return iter(list(in_chunks(code.files(digests), 2**20)))
        finally:
            os.environ["HOME"] = here

    return fetch


def test_code_that_is_here_is_not_fetched() -> None:
    def fetch(_: Sequence[str] | None) -> Iterator[bytes]:
        raise AssertionError("it was fetched")

    name = put()
    assert ensure_code(name, fetch) == code_folder(name)


def test_code_arrives_as_it_was_sent(machine: Callable[[str], None]) -> None:
    name = put()
    fetch = head_sends(name)
    machine("worker")
    folder = ensure_code(name, fetch)
    assert folder == code_folder(name)
    assert {path: (folder / path).read_bytes() for path in FILES} == FILES
    assert os.readlink(folder / "link") == "train.py"
    assert (folder / "train.py").stat().st_mtime_ns == 1_000_000_000


def test_a_machine_fetches_only_what_it_has_not(machine: Callable[[str], None]) -> None:
    first, second = put(), put({**FILES, "train.py": b"import pkg, os"})
    fetches = [head_sends(first), head_sends(second)]
    machine("worker")
    ensure_code(first, fetches[0])
    asked: list[Sequence[str] | None] = []

    def fetch(digests: Sequence[str] | None) -> Iterator[bytes]:
        asked.append(digests)
        return fetches[1](digests)

    assert (ensure_code(second, fetch) / "train.py").read_bytes() == b"import pkg, os"
    assert asked == [None, [hashlib.sha256(b"import pkg, os").hexdigest()]]


def test_a_file_that_somebody_changed_on_the_machine_is_sent_again() -> None:
    name = put()
    (code_folder(name) / "pkg/a").write_text("changed")
    second = put({**FILES, "train.py": b"other"})
    assert (code_folder(second) / "pkg/a").read_bytes() == b"first"


def test_of_several_trials_that_start_at_once_one_fetches_and_all_find_it_whole(machine: Callable[[str], None]) -> None:
    name = put()
    contents = {digests: list(head_sends(name)(digests)) for digests in (None,)}
    files = list(head_sends(name)(list(OutgoingCode(name).manifest.files())))
    machine("worker")
    fetches: list[object] = []
    together = threading.Barrier(4)

    def fetch(digests: Sequence[str] | None) -> Iterator[bytes]:
        fetches.append(digests)
        yield from files if digests is not None else contents[None]

    def start() -> None:
        together.wait()
        assert (ensure_code(name, fetch) / "train.py").read_bytes() == b"import pkg"

    errors: list[object] = []
    trials = [threading.Thread(target=start) for _ in range(4)]
    hook, threading.excepthook = threading.excepthook, lambda hook: errors.append(hook.exc_value)
    for trial in trials:
        trial.start()
    for trial in trials:
        trial.join()
    threading.excepthook = hook
    assert errors == []
    assert len(fetches) == 2


def parts() -> list[str]:
    return [path.name for path in code_folder("x").parent.iterdir() if ".part-" in path.name]


def test_after_a_fetch_that_failed_the_next_one_fetches_what_is_not_whole(machine: Callable[[str], None]) -> None:
    name = put()
    fetch = head_sends(name)
    machine("worker")

    def fail(digests: Sequence[str] | None) -> Iterator[bytes]:
        if digests is None:
            yield from fetch(None)
        else:
            yield b"firstse"
            raise ConnectionError("the head is gone")

    with pytest.raises(ConnectionError):
        ensure_code(name, fail)
    assert not has_code(name)
    asked: list[Sequence[str] | None] = []

    def again(digests: Sequence[str] | None) -> Iterator[bytes]:
        asked.append(digests)
        return fetch(digests)

    folder = ensure_code(name, again)
    assert {path: (folder / path).read_bytes() for path in FILES} == FILES
    assert asked == [None, [hashlib.sha256(FILES[path]).hexdigest() for path in ("pkg/b", "train.py")]]
    assert parts() == []


@pytest.mark.parametrize(("sent", "whole"), [(b"", 0), (b"firstsec", 1), (b"firstsecondimport", 2)])
def test_of_contents_that_end_too_early_nothing_is_used_but_what_is_whole(sent: bytes, whole: int) -> None:
    manifest = manifest_of(FILES)
    digests = missing_files(manifest)
    for _ in range(2):
        with locked(manifest.name), pytest.raises(EOFError, match="within"):
            receive_code(manifest, missing_files(manifest), Bytes(sent))
        assert not has_code(manifest.name)
        assert missing_files(manifest) == digests[whole:]
        sent = b""
    assert len(parts()) == 2


def test_of_a_large_file_that_broke_off_the_rest_is_enough_if_it_fits() -> None:
    big = os.urandom(3 * 2**20)
    manifest = manifest_of({**FILES, "pkg/big": big})
    digest = hashlib.sha256(big).hexdigest()
    with locked(manifest.name):
        with pytest.raises(EOFError, match="within pkg/big"):
            receive_code(manifest, missing_files(manifest), Bytes(b"firstsecondimport pkg" + big[: 2 * 2**20]))
        assert missing_files(manifest) == [digest]
        begun = begun_files(manifest, [digest])
        assert begun == {digest: 2 * 2**20}
        with pytest.raises(EOFError, match=r"pkg/big is not what it was"):
            receive_code(manifest, [digest], Bytes(bytes(2**20)), begun)
        assert begun_files(manifest, missing_files(manifest)) == {}
        with pytest.raises(EOFError, match="within pkg/big"):
            receive_code(manifest, [digest], Bytes(big[: 2 * 2**20]))
        folder = receive_code(manifest, [digest], Bytes(big[2 * 2**20 :]), begun_files(manifest, [digest]))
    assert (folder / "pkg/big").read_bytes() == big
    assert (folder / "pkg/big").stat().st_mtime_ns == 1_000_000_000
    assert parts() == []


def test_a_full_disk_is_left_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    manifest = manifest_of(FILES)

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(assembly, "_write", full)
    with locked(manifest.name), pytest.raises(OSError, match="No space left"):
        receive_code(manifest, missing_files(manifest), Bytes(b""))
    assert parts() == []


def test_what_broke_off_and_was_not_taken_up_again_goes_after_a_day() -> None:
    manifest = manifest_of(FILES)
    with locked(manifest.name), pytest.raises(EOFError):
        receive_code(manifest, missing_files(manifest), Bytes(b""))
    for left in parts():
        os.utime(code_folder(left), (1, 1))
    put({"other": b"code"})
    assert parts() == []


def test_a_folder_without_its_manifest_is_half_made_and_made_anew() -> None:
    manifest = manifest_of(FILES)
    (code_folder(manifest.name) / "pkg").mkdir(parents=True)
    assert not has_code(manifest.name)
    assert (code_folder(put()) / "train.py").read_bytes() == b"import pkg"


def test_what_a_killed_upload_left_goes_with_the_next() -> None:
    manifest = manifest_of(FILES)
    left = code_folder(f"{manifest.name}.part-1234")
    left.mkdir(parents=True)
    put()
    assert not left.exists()


def test_large_files_are_read_only_on_the_machine_and_shared(monkeypatch: pytest.MonkeyPatch) -> None:
    big = os.urandom(2**20 + 1)
    first = put({**FILES, "big": big})
    second = put({"big": big})
    file = code_folder(second) / "big"
    assert file.read_bytes() == big
    assert file.stat().st_mode & 0o777 == 0o444
    assert file.samefile(code_folder(first) / "big")


def test_code_that_nobody_names_or_uses_goes_after_a_while(tmp_path: Path) -> None:
    old, named = put(), put({"a": b"1"})
    experiment = tmp_path / "head/.ray-nni/experiments/abc"
    experiment.mkdir(parents=True)
    (experiment / "experiment.json").write_text(json.dumps({"code": named}))
    (experiment.parent / "broken").mkdir()
    (experiment.parent / "broken/experiment.json").write_text("{")
    now = (code_folder(old).with_name(f"{old}.manifest")).stat().st_mtime
    assert prune_code(now + KEPT_S - 1) == []
    code_folder(f"{old}.spare").mkdir()
    assert prune_code(now + KEPT_S + 60) == [old]
    assert {path.name for path in code_folder(old).parent.iterdir()} == {named, f"{named}.manifest", f".{named}.lock"}


def test_code_that_is_used_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    name = put()
    written = code_folder(name).with_name(f"{name}.manifest")
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
