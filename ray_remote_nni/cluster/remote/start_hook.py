"""What `ray start` is told that its command line has no option for."""

from __future__ import annotations

from typing import Any


def without_client_server(parameters: Any, head: bool) -> None:
    """Start no Ray client server: nobody here uses it, and it would listen beyond loopback.

    Ray calls this through RAY_START_HOOK with its `RayParams`.
    """
    parameters.ray_client_server_port = None
