"""Starting and stopping one node of a cluster, over its machine's transport."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Mapping
from pathlib import Path

from ray_remote_nni.cluster.interpreter import call_python
from ray_remote_nni.cluster.module import answers, ask_module, run_module
from ray_remote_nni.cluster.plan import NodePlan
from ray_remote_nni.cluster.transport import Transport, quote, run_shell
from ray_remote_nni.errors import MachineError
from ray_remote_nni.guard.start import IDENTITY_FILE

START_TIMEOUT_S = 90.0
_LAST_WORDS = Path(__file__).parent / "remote/last_words.py"
_STOP_TIMEOUT_S = 60.0


async def start_node(
    transport: Transport, node: NodePlan, library: str, secrets: Mapping[str, str], owner: str = ""
) -> None:
    """Start a node and wait until its Ray runs; it is marked as this owner's.

    `secrets` are files for its folder, by name, for their owner's eyes only.

    Raises MachineError with Ray's own last words.
    """
    asked = {
        "directory": node.directory,
        "temp_dir": node.temp_dir,
        "guard_socket": node.guard_socket,
        "python": node.python,
        "ray_python": node.ray_python,
        "python_link": node.python_link,
        "ray_arguments": list(node.ray_arguments),
        "environment": dict(node.environment),
        "secrets": dict(secrets),
        "owner": owner,
    }
    module = "ray_remote_nni.cluster.remote.start_node"
    # The folder among the arguments shows in a list of processes which node a guard is of.
    async with run_module(transport, node.python, library, module, (node.directory,), mark=node.directory) as stream:
        try:
            found, said = await asyncio.wait_for(answers(stream, asked, last="daemons"), START_TIMEOUT_S)
        except asyncio.TimeoutError as error:
            last = await _last_words(transport, node)
            raise MachineError(
                transport.host, f"its Ray did not come up within {START_TIMEOUT_S:.0f} s. {last}"
            ) from error
    if not found or "error" in found[-1]:
        why = found[-1]["error"] if found else said or "no reason was given"
        raise MachineError(transport.host, f"its guard did not start: {why}.")
    if found[-1].get("daemons") != 0:
        raise MachineError(transport.host, f"its Ray did not start. {await _last_words(transport, node)}")


async def stop_node(transport: Transport, python: str, library: str, directory: str, temp_dir: str) -> list[str]:
    """Stop a node, trials included, and remove its folders; return the commands that its guard had lost."""
    module = "ray_remote_nni.cluster.remote.stop_node"
    asked = {"directory": directory, "temp_dir": temp_dir}
    try:
        answer = await asyncio.wait_for(ask_module(transport, python, library, module, asked), _STOP_TIMEOUT_S)
    except asyncio.TimeoutError as error:
        raise MachineError(transport.host, f"it did not stop within {_STOP_TIMEOUT_S:.0f} s.") from error
    swept: list[str] = answer["swept"]
    return swept


async def _last_words(transport: Transport, node: NodePlan) -> str:
    """Return what Ray, or else its guard, said last when it could not start, for a person to read."""
    asked = {"files": [f"{node.directory}/{name}.log" for name in ("guard", "daemons")]}
    said: list[str] = await call_python(transport, node.python, _LAST_WORDS, asked, io.BytesIO())
    lines = [line.strip() for line in said if line.strip()]
    errors = [line for line in lines if "Error" in line or "error" in line]
    return f"Its last words: {(errors or lines or ['none'])[-1]}"


async def node_runs(transport: Transport, directory: str) -> bool:
    """Tell whether the guard of the node in this folder runs."""
    # Its PID may be another process's by now, which did not start at the same tick.
    script = f"""known={quote(f"{directory}/{IDENTITY_FILE}")}
pid=$(sed -n 's/.*"pid": \\([0-9]*\\).*/\\1/p' "$known" 2>/dev/null)
ticks=$(sed -n 's/.*"start_ticks": \\([0-9]*\\).*/\\1/p' "$known" 2>/dev/null)
[ -n "$pid" ] && set -- $(sed 's/.*) //' "/proc/$pid/stat" 2>/dev/null) && [ "${{20}}" = "$ticks" ] && echo runs"""
    return "runs" in await run_shell(transport, script)
