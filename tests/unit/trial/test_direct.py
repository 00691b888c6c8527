"""Files from the head to a machine over a connection of their own."""

from __future__ import annotations

import hashlib
import io
import os
import socket
import threading
from collections.abc import Sequence
from pathlib import Path

import pytest

from ray_remote_nni.trial import direct
from ray_remote_nni.trial.assembly import Assembly
from ray_remote_nni.trial.code import codes_folder, locked
from ray_remote_nni.trial.direct import Invitation, Landing, accept, send_pieces
from ray_remote_nni.trial.layout import Piece
from ray_remote_nni.trial.manifest import Entry, Manifest
from ray_remote_nni.trial.outgoing import OutgoingCode


@pytest.fixture
def landing() -> Landing:
    return Landing("127.0.0.1")


@pytest.fixture(autouse=True)
def head(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))


def code_of(contents: Sequence[bytes]) -> OutgoingCode:
    """Code on the head, of a file for each of these contents, the large ones last."""
    entries = [
        Entry(f"file{number}", "file", 0o644, len(data), 1, hashlib.sha256(data).hexdigest())
        for number, data in enumerate(contents)
    ]
    manifest = Manifest(tuple(entries))
    with locked(manifest.name):
        Assembly(manifest).receive(io.BytesIO(b"".join(contents)))
    return OutgoingCode(manifest.name)


def send(invitation: Invitation, code: OutgoingCode, *pieces: Piece) -> threading.Thread:
    """Send pieces of the code as the head does, beside this machine."""

    def go() -> None:
        connection = accept(invitation)
        assert connection is not None
        with connection:
            send_pieces(connection, code.pieces(pieces))

    thread = threading.Thread(target=go)
    thread.start()
    return thread


def test_pieces_arrive_one_after_the_other(landing: Landing) -> None:
    contents = [os.urandom(size) for size in (3, 0, 1000, 2**18, 900_000, 7, 2**20 + 1, 5 * 2**20)]
    pack, (large, other) = b"".join(contents[:-2]), contents[-2:]
    names = [hashlib.sha256(content).hexdigest() for content in (large, other)]
    pieces = [
        Piece("pack", 0, 2),
        Piece("pack", 900, len(pack) - 900),
        Piece(names[0], 0, len(large)),
        Piece(names[1], 77, 4 * 2**20),
    ]
    with landing:
        sender = send(landing.invitation, code_of(contents), *pieces)
        received = b"".join(bytes(part) for part in landing.receive())
    sender.join()
    assert received == pack[:2] + pack[900:] + large + other[77 : 77 + 4 * 2**20]


def test_whoever_has_no_invitation_sends_nothing_and_hinders_nobody(
    landing: Landing, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(direct, "_CONNECT_S", 0.2)
    place = (landing.invitation.host, landing.invitation.port)
    with landing, socket.create_connection(place) as stranger, socket.create_connection(place) as silent:
        stranger.sendall(bytes(32) + b"theirs")
        sender = send(landing.invitation, code_of([b"ours"]), Piece("pack", 0, 4))
        assert b"".join(bytes(part) for part in landing.receive()) == b"ours"
        assert silent.recv(1) == b""
    sender.join()


def test_a_machine_to_which_nobody_comes_does_not_wait_for_ever(
    landing: Landing, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(direct, "_CONNECT_S", 0.01)
    with landing, pytest.raises(TimeoutError):
        next(landing.receive())


def test_a_machine_that_cannot_be_reached_is_known_before_anything_is_sent(landing: Landing) -> None:
    with landing:
        pass
    assert accept(landing.invitation) is None


@pytest.mark.parametrize("size", [10, 2**21])
def test_a_file_that_has_become_shorter_is_an_error(landing: Landing, size: int) -> None:
    code = code_of([bytes(size)])
    (folder,) = (path for path in codes_folder().iterdir() if "." not in path.name)
    file = max(folder.iterdir(), key=lambda file: file.stat().st_size if file.name != "manifest" else 0)
    file.chmod(0o600)
    os.truncate(file, size - 1)
    with landing:
        connection = accept(landing.invitation)
        assert connection is not None
        receiving = threading.Thread(target=lambda: list(landing.receive()))
        receiving.start()
        with connection, pytest.raises(EOFError, match="has become shorter"):
            send_pieces(connection, code.pieces([Piece(file.name, 0, size)]))
        receiving.join()


def test_the_secret_is_in_no_text_of_an_invitation(landing: Landing) -> None:
    with landing:
        assert "secret" not in repr(landing.invitation)
