"""Code goes on from the head to other machines while it still arrives there."""

from __future__ import annotations

import contextlib
import hashlib
import os
import queue
import threading
from pathlib import Path

import pytest

from ray_remote_nni.trial import outgoing
from ray_remote_nni.trial.assembly import Assembly
from ray_remote_nni.trial.code import has_code, locked
from ray_remote_nni.trial.layout import Piece
from ray_remote_nni.trial.manifest import Entry, Manifest, read_manifest
from ray_remote_nni.trial.outgoing import OutgoingCode, in_chunks

LARGE = os.urandom(3 * 2**20)
#: In the order in which they are sent.
FILES = {"a": b"first", "z": b"last", "large": LARGE}
EVERYTHING = b"".join(FILES.values())
DIGEST = hashlib.sha256(LARGE).hexdigest()
ALL = [Piece("pack", 0, 9), Piece(DIGEST, 0, len(LARGE))]
MANIFEST = Manifest(
    tuple(Entry(path, "file", 0o644, len(data), 7, hashlib.sha256(data).hexdigest()) for path, data in FILES.items())
)


@pytest.fixture(autouse=True)
def head(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))


class Client:
    """Sends code to the head byte by byte, as the test wants; breaks off where it sends nothing."""

    def __init__(self) -> None:
        self._parts: queue.Queue[bytes] = queue.Queue()
        self._rest = b""
        self.locked = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()
        assert self.locked.wait(10)

    def send(self, data: bytes) -> None:
        self._parts.put(data)

    def end(self) -> None:
        """Send no more, and wait for what the head makes of it."""
        self.send(b"")
        self._thread.join()

    def read(self, size: int, /) -> bytes:
        self._rest = self._rest or self._parts.get(timeout=10)
        part, self._rest = self._rest[:size], self._rest[size:]
        return part

    def _run(self) -> None:
        with locked(MANIFEST.name):
            self.locked.set()
            with contextlib.suppress(EOFError):
                Assembly(MANIFEST).receive(self)


def test_what_has_arrived_is_read_before_the_rest_comes() -> None:
    client = Client()
    client.send(b"firstla")
    code = OutgoingCode(MANIFEST.name)
    assert read_manifest(code.manifest) == MANIFEST
    pieces = code.pieces(ALL)
    small = next(pieces).parts(100)
    assert next(small) == b"firstla"
    client.send(b"st" + LARGE[: 2**20])
    assert next(small) == b"st"
    large = next(pieces).parts(2**21)
    assert next(large) == LARGE[: 2**20]
    client.send(LARGE[2**20 :])
    client.end()
    assert has_code(MANIFEST.name)
    # It has moved to its place meanwhile.
    assert b"".join(large) == LARGE[2**20 :]
    wanted = [Piece("pack", 1, 6), Piece(DIGEST, 11, 2)]
    assert [b"".join(piece.parts(100)) for piece in code.pieces(wanted)] == [b"irstla", LARGE[11:13]]


def test_several_machines_get_the_same() -> None:
    client = Client()
    received: list[bytes] = []

    def machine() -> None:
        received.append(b"".join(in_chunks(OutgoingCode(MANIFEST.name).pieces(ALL), 2**18)))

    machines = [threading.Thread(target=machine) for _ in range(3)]
    for thread in machines:
        thread.start()
    for start in range(0, len(EVERYTHING), 500_000):
        client.send(EVERYTHING[start : start + 500_000])
    client.end()
    for thread in machines:
        thread.join()
    assert received == [EVERYTHING] * 3


@pytest.mark.parametrize("sent", [b"", b"fir", b"firstlast" + LARGE[:1000]])
def test_an_upload_that_breaks_off_is_an_error_and_no_end(sent: bytes) -> None:
    client = Client()
    client.send(sent or b"f")
    code = OutgoingCode(MANIFEST.name)
    client.end()
    with pytest.raises(EOFError, match="broke off on its way"):
        list(in_chunks(code.pieces(ALL), 2**18))


def test_code_that_nobody_brings_is_said_to_be_missing() -> None:
    with pytest.raises(FileNotFoundError, match=f"the code {MANIFEST.name} is not on this machine"):
        OutgoingCode(MANIFEST.name)


def test_whoever_holds_the_lock_and_brings_nothing_is_not_waited_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outgoing, "_UNSAID_S", 0.05)
    with locked(MANIFEST.name), pytest.raises(FileNotFoundError, match="does not come to this machine"):
        OutgoingCode(MANIFEST.name)


def test_who_read_along_does_not_go_on_with_another_upload_of_the_same() -> None:
    client = Client()
    client.send(b"first")
    pieces = OutgoingCode(MANIFEST.name).pieces(ALL)
    parts = next(pieces).parts(100)
    assert next(parts) == b"first"
    client.end()
    another = Client()
    with pytest.raises(EOFError, match="broke off on its way"):
        next(parts)
    another.end()


@pytest.mark.parametrize("corrupt", [False, True])
def test_a_file_that_is_resumed_goes_on_only_when_it_is_known_to_be_right(corrupt: bool) -> None:
    begun = Client()
    begun.send(b"firstlast" + LARGE[: 2 * 2**20])
    begun.end()
    client = Client()
    pieces = OutgoingCode(MANIFEST.name).pieces(ALL[1:])
    answer: list[object] = []

    def machine() -> None:
        try:
            answer.append(b"".join(in_chunks(pieces, 2**22)))
        except EOFError as error:
            answer.append(error)

    thread = threading.Thread(target=machine)
    thread.start()
    client.send(bytes(2**20) if corrupt else LARGE[2 * 2**20 :])
    client.end()
    thread.join()
    assert isinstance(answer[0], EOFError) if corrupt else answer == [LARGE]
