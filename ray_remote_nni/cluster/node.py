"""Starting and stopping one node of a cluster, over its machine's transport."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from ray_remote_nni.cluster.plan import NodePlan
from ray_remote_nni.cluster.remote.start_node import NODE_MARK
from ray_remote_nni.cluster.transport import Stream, Transport, quote, run_shell
from ray_remote_nni.errors import MachineError

START_TIMEOUT_S = 90.0
_STOP_TIMEOUT_S = 60.0


@asynccontextmanager
async def run_module(
    transport: Transport,
    python: str,
    library: str,
    module: str,
    arguments: tuple[str, ...] = (),
    mark: str | None = None,
) -> AsyncIterator[Stream]:
    """Run `main()` of a module of ours that is installed on the machine under `library`, a folder's path.

    It runs in the standard library alone, and neither sees nor touches the user's Python packages. With `mark`, its
    process bears the mark of the node in that folder.
    """
    code = f"import sys; sys.path.insert(0, sys.argv[1]); from {module} import main; main()"
    marking = f"env {quote(f'{NODE_MARK}={mark}')} " if mark else ""
    words = " ".join(quote(word) for word in (python, "-S", "-E", "-c", code, library, *arguments))
    async with transport.run(f"exec {marking}{words}") as stream:
        yield stream


async def start_node(transport: Transport, node: NodePlan, library: str, token: str) -> None:
    """Start a node and wait until its Ray runs. Raises MachineError with Ray's own last words."""
    asked = {
        "directory": node.directory,
        "temp_dir": node.temp_dir,
        "guard_socket": node.guard_socket,
        "python": node.python,
        "ray_arguments": list(node.ray_arguments),
        "environment": dict(node.environment),
        "token": token,
    }
    module = "ray_remote_nni.cluster.remote.start_node"
    # The folder among the arguments shows in a list of processes which node a guard is of.
    async with run_module(transport, node.python, library, module, (node.directory,), mark=node.directory) as stream:
        await stream.write(json.dumps(asked).encode())
        stream.write_eof()
        try:
            answers, errors = await asyncio.wait_for(_answers(stream), START_TIMEOUT_S)
        except asyncio.TimeoutError as error:
            last = await _last_words(transport, node)
            raise MachineError(node.host, f"its Ray did not come up within {START_TIMEOUT_S:.0f} s. {last}") from error
    if not answers:
        raise MachineError(node.host, f"its guard did not start: {errors or 'no reason was given'}.")
    code = answers[-1].get("daemons")
    if code != 0:
        raise MachineError(node.host, f"its Ray did not start. {await _last_words(transport, node)}")


async def stop_node(transport: Transport, python: str, library: str, directory: str, temp_dir: str) -> list[str]:
    """Stop a node, trials included, and remove its folders; return the commands that its guard had lost."""
    module = "ray_remote_nni.cluster.remote.stop_node"
    async with run_module(transport, python, library, module) as stream:
        await stream.write(json.dumps({"directory": directory, "temp_dir": temp_dir}).encode())
        stream.write_eof()
        try:
            answers, errors = await asyncio.wait_for(_answers(stream), _STOP_TIMEOUT_S)
        except asyncio.TimeoutError as error:
            raise MachineError(transport.host, f"it did not stop within {_STOP_TIMEOUT_S:.0f} s.") from error
    if not answers:
        raise MachineError(transport.host, f"it could not be stopped: {errors or 'no reason was given'}.")
    swept: list[str] = answers[-1]["swept"]
    return swept


async def _answers(stream: Stream) -> tuple[list[dict[str, Any]], str]:
    """Return the JSON objects that a module of ours printed, and the last line of its errors.

    Other lines are passed over: a login shell may print some of its own before.
    """
    answers = [json.loads(line) async for line in stream.lines() if line.startswith(b"{")]
    _, errors = await stream.wait()
    said = errors.decode(errors="replace").strip().splitlines()
    return answers, said[-1] if said else ""


async def _last_words(transport: Transport, node: NodePlan) -> str:
    """Return what Ray said last when it could not start, for a person to read."""
    text = await run_shell(transport, f"tail -n 40 '{node.directory}/daemons.log'")
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    errors = [line for line in lines if "Error" in line or "error" in line]
    return f"Its last words: {(errors or lines or ['none'])[-1]}"
