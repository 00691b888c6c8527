"""The command line: parses, calls, renders. No logic."""

from __future__ import annotations

from ray_remote_nni.cli.app import main

__all__ = ["main"]
