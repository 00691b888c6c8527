"""Whatever a configuration says is data: no name or path gets out of the shell commands that are built of it."""

from __future__ import annotations

import asyncio
import io
import json
import os
import shlex
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import cast

import pytest
from hostile import HOSTILE, LINE_NAMES, LINES, NAMES, fuzz
from hypothesis import example, given
from hypothesis import strategies as st
from shells import SHELLS

from ray_remote_nni.cluster.facts import Question, facts_script, read_facts
from ray_remote_nni.cluster.interpreter import call_python
from ray_remote_nni.cluster.local import LocalTransport
from ray_remote_nni.cluster.module import run_module
from ray_remote_nni.cluster.node import _last_words, node_runs
from ray_remote_nni.cluster.plan import NodePlan
from ray_remote_nni.cluster.transport import Stream, quote
from ray_remote_nni.guard.processes import read_process

QUESTION = Question(cluster="abc", node="0", distributions=(), ports=0, first_port=1, last_port=1)
#: In the place of a Python: tells how it was called.
TELL = '#!/bin/sh\nprintf \'%s\\0\' "$RAY_NNI_NODE" "$@" >&2\n'
#: Runs Python as it is called.
PYTHON = f'#!/bin/sh\nexec {shlex.quote(sys.executable)} "$@"\n'


class Through(LocalTransport):
    """This machine, with another login shell."""

    def __init__(self, shell: str) -> None:
        super().__init__()
        self._shell = shell

    @asynccontextmanager
    async def run(self, command: str) -> AsyncIterator[Stream]:  # type: ignore[override]
        async with super().run(f"exec {self._shell} -c {shlex.quote(command)}") as stream:
            yield stream


@contextmanager
def no_canary(folder: Path) -> Iterator[None]:
    """Around what may leave nothing in the folder but what was there."""
    before = sorted(folder.iterdir())
    yield
    assert sorted(folder.iterdir()) == before


def program(folder: Path, name: str, script: str) -> str:
    """Make a program with this name, below the folder, and return its path."""
    path = folder / name
    path.parent.mkdir(exist_ok=True, parents=True)
    path.write_text(script)
    path.chmod(0o755)
    return str(path)


def in_sh(folder: Path, script: str) -> str:
    """Run a script in an empty folder, of which it must leave nothing but that."""
    environment = {"PATH": "/usr/bin:/bin", "HOME": str(folder)}
    done = subprocess.run(["sh", "-s"], input=script, capture_output=True, text=True, cwd=folder, env=environment)
    assert list(folder.iterdir()) == []
    return done.stdout


@pytest.mark.parametrize("shell", SHELLS)
@fuzz(30)
@given(text=HOSTILE)
def test_a_quoted_argument_is_one_word_of_any_shell_or_refused(empty: Path, shell: str, text: str) -> None:
    if "\n" in text:
        with pytest.raises(ValueError, match="line break"):
            quote(text)
    else:
        with no_canary(empty):
            done = subprocess.run([shell, "-c", f"/usr/bin/printf %s {quote(text)}"], capture_output=True)
        assert done.stdout == text.encode()


@fuzz(60)
@given(path=HOSTILE)
def test_a_python_path_is_looked_for_and_not_run(empty: Path, path: str) -> None:
    # A path in the middle of nowhere, so that no Python is found by chance.
    for place in (f"/nowhere/{path}", f"~/{path}/x"):
        assert in_sh(empty, facts_script(QUESTION, place, None)).splitlines()[:2] == ["no python", "missing"]


@fuzz(60)
@given(name=HOSTILE)
def test_a_python_is_looked_for_and_not_run(empty: Path, name: str) -> None:
    assert in_sh(empty, facts_script(QUESTION, None, f"/nowhere/{name}")).strip() == "no python"


@fuzz(6)
@given(name=NAMES)
def test_a_python_in_a_folder_of_any_name_is_found(empty: Path, tmp_path: Path, name: str) -> None:
    folder = Path(program(tmp_path / "found", f"{name}/python3", PYTHON)).parent
    with no_canary(empty):
        facts = asyncio.run(read_facts(LocalTransport(), QUESTION, python_path=str(folder)))
    assert facts.system == "Linux"


@fuzz(40)
@given(st.sampled_from(SHELLS), LINE_NAMES, st.lists(LINES, max_size=3), LINES, st.none() | LINES)
@example("sh", "x", [], "x", "-n")
@example("sh", "=", [], "x", "y")
def test_modules_get_their_arguments_as_they_are_whatever_python_and_library_are_called(
    empty: Path, tmp_path: Path, shell: str, name: str, arguments: list[str], library: str, mark: str | None
) -> None:
    async def call() -> bytes:
        async with run_module(Through(shell), python, library, "some.module", tuple(arguments), mark=mark) as stream:
            stream.write_eof()
            return (await stream.wait())[1]

    python = program(tmp_path / "called", name, TELL)
    with no_canary(empty):
        said = asyncio.run(call())
    told_mark, *told = said.decode().split("\0")[:-1]
    assert told[:3] == ["-S", "-E", "-c"]
    assert told[4:] == [library, *arguments]
    assert told_mark == (mark or "")


@fuzz(6)
@given(name=LINE_NAMES, said=st.dictionaries(HOSTILE, st.lists(HOSTILE), max_size=3))
def test_code_that_is_sent_gets_its_arguments_as_they_are(
    empty: Path, tmp_path: Path, name: str, said: dict[str, list[str]]
) -> None:
    module = tmp_path / "module.py"
    module.write_text("def main(arguments, stream):\n    return [arguments, stream.read().decode()]\n")
    python = program(tmp_path / "sent", name, PYTHON)
    data = io.BytesIO("".join(said).encode())
    with no_canary(empty):
        answer = asyncio.run(call_python(LocalTransport(), python, module, dict(said), data))
    assert answer == [said, "".join(said)]


@fuzz(15)
@given(name=LINE_NAMES)
def test_a_node_is_found_in_a_folder_of_any_name(empty: Path, tmp_path: Path, name: str) -> None:
    directory = tmp_path / "nodes" / name
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "daemons.log").write_text("Error: it is too late\n")
    own = read_process(os.getpid())
    assert own is not None
    (directory / "guard.json").write_text(json.dumps({"pid": own.pid, "start_ticks": own.start_ticks}))
    node = cast(NodePlan, type("Node", (), {"directory": str(directory), "host": "h", "python": sys.executable}))
    with no_canary(empty):
        assert asyncio.run(node_runs(LocalTransport(), str(directory)))
        assert "it is too late" in asyncio.run(_last_words(LocalTransport(), node))
