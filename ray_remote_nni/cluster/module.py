"""Running a module of ours that is installed on a machine, in the standard library alone."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from typing import Any

from ray_remote_nni.cluster.interpreter import run_python
from ray_remote_nni.cluster.remote.start_node import NODE_MARK
from ray_remote_nni.cluster.transport import Stream, Transport
from ray_remote_nni.cluster.windows.commands import is_windows_path
from ray_remote_nni.errors import MachineError


@asynccontextmanager
async def run_module(
    transport: Transport,
    python: str,
    library: str,
    module: str,
    arguments: tuple[str, ...] = (),
    mark: str | None = None,
) -> AsyncIterator[Stream]:
    """Run `main()` of a module of ours from the folder `library` on the machine.

    It neither sees nor touches the user's Python packages. With `mark`, its process bears the mark of the node in that
    folder.
    """
    words, setting = [library], ""
    if mark and is_windows_path(python):
        words, setting = [mark, library], f"import os; os.environ['{NODE_MARK}'] = sys.argv.pop(1); "
    # The line break ends whatever a login shell printed before. Our folder takes the place of the one that Python is
    # started in, which may hold a random.py of the user's.
    code = f"import sys; print(flush=True); {setting}sys.path[0] = sys.argv.pop(1)"
    argv = ("-S", "-E", "-c", f"{code}; from {module} import main; sys.exit(main())", *words, *arguments)
    async with run_python(transport, python, argv, mark=mark) as stream:
        yield stream


async def answers(
    stream: Stream, question: dict[str, Any], *, last: str | None = None
) -> tuple[list[dict[str, Any]], str]:
    """Send a JSON object; return the JSON objects that were printed, and the last line of standard error.

    Other lines are passed over: a login shell may print some of its own before. The answer with the key `last` is not
    waited beyond: who stays in the background may hold standard output open.
    """
    await stream.write(json.dumps(question).encode())
    stream.write_eof()
    found = []
    async with aclosing(stream.lines()) as lines:
        async for line in lines:
            if (answer := json_object(line)) is not None:
                found.append(answer)
                if last in answer:
                    return found, ""
    _, errors = await stream.wait()
    said = errors.decode(errors="replace").strip().splitlines()
    return found, said[-1] if said else ""


def json_object(line: bytes) -> dict[str, Any] | None:
    """Return the JSON object that a line is; None for another line."""
    try:
        found = json.loads(line)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


async def ask_module(
    transport: Transport, python: str, library: str, module: str, question: dict[str, Any]
) -> dict[str, Any]:
    """Run a module of ours that answers one JSON object with another. Raises MachineError where it does not."""
    async with run_module(transport, python, library, module) as stream:
        found, said = await answers(stream, question)
    if not found:
        raise MachineError(transport.host, said or "it gave no answer.")
    return found[-1]
