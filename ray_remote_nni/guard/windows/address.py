"""Where the guard of a Windows machine listens: at a port of loopback, for whoever can read a file in its folder.

Python has no Unix sockets there. The file is in the user's own profile, which no other user may look into.
"""

from __future__ import annotations

import json
import socket
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Address:
    """A port of loopback, and the word that must be said there first."""

    port: int
    secret: str = field(repr=False)

    def write(self, file: Path) -> None:
        """Leave word of it."""
        part = file.with_name(f"{file.name}.part")
        part.write_text(json.dumps({"port": self.port, "secret": self.secret}))
        part.replace(file)


def connect(file: Path | str, timeout_s: float, *, end: bool = False) -> socket.socket:
    """Return a connection to the guard, which then talks as on other systems; or have the guard end. Raises OSError."""
    try:
        known = json.loads(Path(file).read_text())
    except ValueError as error:
        raise OSError(f"{file} is damaged: {error}") from error
    connection = socket.create_connection(("127.0.0.1", known["port"]), timeout_s)
    connection.sendall(json.dumps({"secret": known["secret"], "end": end}).encode() + b"\n")
    return connection
