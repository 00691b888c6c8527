"""Files from the head to a machine over a connection of their own."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Sequence
from pathlib import Path

import pytest

from ray_remote_nni.trial import direct
from ray_remote_nni.trial.direct import Invitation, Landing, accept, send_files


@pytest.fixture
def landing() -> Landing:
    return Landing("127.0.0.1")


def send(invitation: Invitation, files: Sequence[tuple[str, int]]) -> threading.Thread:
    """As the head does, beside this machine."""

    def go() -> None:
        connection = accept(invitation)
        assert connection is not None
        with connection:
            send_files(connection, files)

    thread = threading.Thread(target=go)
    thread.start()
    return thread


def test_files_arrive_one_after_the_other(landing: Landing, tmp_path: Path) -> None:
    files = []
    for number, size in enumerate((3, 0, 5 * 2**20, 1000, 2**18, 2**18 + 1, 900_000, 7)):
        path = tmp_path / str(number)
        path.write_bytes(os.urandom(size))
        files.append((str(path), size))
    with landing:
        sender = send(landing.invitation, files)
        received = b"".join(bytes(part) for part in landing.receive())
    sender.join()
    assert received == b"".join(Path(path).read_bytes() for path, _ in files)


def test_whoever_has_no_invitation_sends_nothing_and_hinders_nobody(
    landing: Landing, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(direct, "_CONNECT_S", 0.2)
    (tmp_path / "file").write_text("ours")
    place = (landing.invitation.host, landing.invitation.port)
    with landing, socket.create_connection(place) as stranger, socket.create_connection(place) as silent:
        stranger.sendall(bytes(32) + b"theirs")
        sender = send(landing.invitation, [(str(tmp_path / "file"), 4)])
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


@pytest.mark.parametrize("size", [10, 2**20])
def test_a_file_that_has_become_shorter_is_an_error(landing: Landing, tmp_path: Path, size: int) -> None:
    (tmp_path / "file").write_bytes(bytes(size - 1))
    with landing:
        connection = accept(landing.invitation)
        assert connection is not None
        receiving = threading.Thread(target=lambda: list(landing.receive()))
        receiving.start()
        with connection, pytest.raises(EOFError, match="has become shorter"):
            send_files(connection, [(str(tmp_path / "file"), size)])
        receiving.join()


def test_the_secret_is_in_no_text_of_an_invitation(landing: Landing) -> None:
    with landing:
        assert "secret" not in repr(landing.invitation)
