"""pip on the client, for another machine's Python."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence

from ray_remote_nni.cluster.distributions import manylinux_platforms
from ray_remote_nni.cluster.facts import MachineFacts


async def run_pip(command: str, machine: MachineFacts, version: Sequence[int], *arguments: str) -> str | None:
    """Run a pip command on wheels for CPython `version` on `machine`; return what pip said if it failed, else None."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "pip", command, "--quiet", "--disable-pip-version-check", "--only-binary=:all:"),
        *("--implementation", "cp", "--python-version", ".".join(map(str, version[:2]))),
        *(argument for platform in manylinux_platforms(machine) for argument in ("--platform", platform)),
        *arguments,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    _, errors = await process.communicate()
    if process.returncode == 0:
        return None
    said = [line for line in errors.decode(errors="replace").splitlines() if line.startswith("ERROR")]
    return said[-1] if said else "pip failed"
