"""Code from the head to a machine over a connection of their own: by Ray's way each byte is copied several times more.

The machine listens where the system wants, as Ray's workers do, and the head connects to it with a secret that reached
it through Ray. Where that fails, a firewall being in between, nothing was sent yet, and Ray's way is left.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import socket
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from ray_remote_nni.trial.outgoing import OutgoingPiece

_CONNECT_S = 2.0
#: A connection on which nothing has moved for so long is dead.
_SILENCE_S = 120.0
_SECRET_BYTES = 32
_BUFFER_BYTES = 2**20


@dataclass(frozen=True)
class Invitation:
    """Where a machine listens, and what it wants to hear first."""

    host: str
    port: int
    secret: bytes = field(repr=False)


class Landing:
    """Listens on this machine's address `host` for whoever has the invitation. Raises OSError."""

    def __init__(self, host: str) -> None:
        self._listening = socket.create_server((host, 0), family=_family(host))
        port: int = self._listening.getsockname()[1]
        self.invitation = Invitation(host, port, secrets.token_bytes(_SECRET_BYTES))

    def __enter__(self) -> Landing:
        return self

    def __exit__(self, *_: object) -> None:
        self._listening.close()

    def receive(self) -> Iterator[memoryview]:
        """Yield what is sent, until its end; each part is good until the next. Raises OSError where nobody comes."""
        buffer = memoryview(bytearray(_BUFFER_BYTES))
        with self._guest() as connection:
            connection.settimeout(_SILENCE_S)
            while size := connection.recv_into(buffer):
                yield buffer[:size]

    def _guest(self) -> socket.socket:
        until = time.monotonic() + 5 * _CONNECT_S
        while (left := until - time.monotonic()) > 0:
            self._listening.settimeout(left)
            connection, _ = self._listening.accept()
            connection.settimeout(_CONNECT_S)
            with contextlib.suppress(OSError):
                said = connection.recv(_SECRET_BYTES, socket.MSG_WAITALL)
                if secrets.compare_digest(said, self.invitation.secret):
                    return connection
            connection.close()
        raise TimeoutError("nobody came who has the invitation")


def accept(invitation: Invitation) -> socket.socket | None:
    """Connect to the machine; None where that is not possible."""
    try:
        connection = socket.create_connection((invitation.host, invitation.port), _CONNECT_S)
    except OSError:
        return None
    connection.settimeout(None)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(_SILENCE_S * 1000))
    connection.sendall(invitation.secret)
    return connection


def send_pieces(connection: socket.socket, pieces: Iterable[OutgoingPiece]) -> None:
    """Send pieces one after the other, each as it comes. Raises OSError, and EOFError where a file ends early."""
    for piece in pieces:
        start = piece.start
        while start < piece.end:
            sent = os.sendfile(connection.fileno(), piece.descriptor, start, piece.arrived(start))
            if not sent:
                raise piece.shortened()
            start += sent


def _family(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET
