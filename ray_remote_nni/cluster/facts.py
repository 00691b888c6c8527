"""What a machine says of itself, read in one round trip."""

from __future__ import annotations

import asyncio
import json
import shlex
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ray_remote_nni.cluster.interpreter import LOADER, sent_module
from ray_remote_nni.cluster.transport import NoShell, Transport, by_hand, read_all, run_shell
from ray_remote_nni.cluster.windows.commands import NO_PYTHON, candidates, run_first_python
from ray_remote_nni.cluster.windows.recognise import WindowsShell, windows_known, windows_shell
from ray_remote_nni.errors import MachineError
from ray_remote_nni.guard.start import IDENTITY_FILE

_SOURCES = tuple(Path(__file__).parent / f"remote/{name}.py" for name in ("place", "limits", "facts"))
#: What takes the place of some of its functions on Windows.
_ON_WINDOWS = Path(__file__).parent / "remote/windows_facts.py"
#: A failure is told on standard output, and with exit code 0, or the machine's shell would go on with its next Python.
_HOOK = """
import os, sys, traceback
def tell(*error):
    traceback.print_exception(*error, file=sys.stdout)
    sys.stdout.flush()
    os._exit(0)
sys.excepthook = tell
"""
_TIMEOUT_S = 60.0
_TOO_OLD = 36
_NEW_ENOUGH = f"import sys; sys.exit({_TOO_OLD} * (sys.version_info < (3, 6)))"
#: Where Pythons are that are not on PATH, as patterns of sh.
_ELSEWHERE = (
    "/usr/bin/python3 /usr/local/bin/python3 ~/.pyenv/versions/3*/bin/python3 ~/miniconda3/bin/python3 "
    "~/anaconda3/bin/python3 ~/miniforge3/bin/python3 /opt/conda/bin/python3 ~/.local/share/uv/python/*/bin/python3"
)

#: Says what a `pythonPath` without a Python is, and which Pythons there are near it and in the usual places.
_NEARBY = (
    "if [ -d {folder} ]; then echo folder; elif [ -e {folder} ]; then echo file; else echo missing; fi\n"
    'for near in {folder}/bin/python3 {folder}/python3.[0-9]* "$(dirname -- {folder})"/bin/python3'
    ' "$(dirname -- {folder})"/python3 python3 {elsewhere}; do\n'
    '  [ -d "$near" ] || command -v "$near" 2>/dev/null\n'
    "done\n"
)


@dataclass(frozen=True)
class MachineFacts:
    """A machine as it was when it was asked.

    `python` is the executable that runs the raylet, `distributions` the versions of what was asked for in it.
    `addresses` are those of its interfaces, loopback last; `ssh_address` is the one at which SSH reached it, empty
    without SSH. `installed` are the folders under ~/.ray-nni/lib/. `guard` is the PID of this cluster's guard, if one
    runs there. `place` is the folder that what is ours goes to, wherever ~/.ray-nni leads, and the home where that is
    not there yet; `free_bytes` is the room on its disk, `free_files` how many files more that takes, None where that is
    not limited, `noexec` tells whether no program may be started from it, and `takes_sockets` whether there may be
    sockets on it. `write_problem` says why it, and `tmp_problem` why /tmp, cannot be written to, and `lock_problem`
    why no file in it can be locked; all empty where it can. `root_problem` says what lies in the place of
    ~/.ray-nni that cannot be used. Who has the same `boot_id` runs on the same kernel. `taken_ports` are those of
    the fixed ones that something listens on, each with the name of this user's cluster whose node that is, or "".
    `process_room` is how many processes and threads may still be started, None where no limit is known, and
    `process_limit` says which limit that is.
    `clock_skew_s` is how far its clock is ahead of ours.
    """

    system: str
    architecture: str
    libc: str
    hostname: str
    home: str
    write_problem: str
    free_bytes: int
    cpus: int
    memory_bytes: int | None
    python: str
    python_version: tuple[int, int, int]
    distributions: Mapping[str, str]
    ray_has_dashboard: bool
    gpus: tuple[int, ...]
    addresses: tuple[str, ...]
    ssh_address: str
    free_ports: tuple[int, ...]
    installed: tuple[str, ...]
    guard: int | None
    system_name: str = ""
    hostname_resolves: bool = True
    taken_ports: Mapping[int, str] = field(default_factory=dict)
    clock_skew_s: float = 0.0
    place: str = ""
    root_problem: str = ""
    tmp_problem: str = ""
    noexec: bool = False
    takes_sockets: bool = True
    free_files: int | None = None
    lock_problem: str = ""
    boot_id: str = ""
    process_room: int | None = None
    process_limit: str = ""

    @classmethod
    def parse(cls, answer: str) -> MachineFacts:
        """Build from the JSON that the machine has just printed."""
        facts: dict[str, Any] = json.loads(answer)
        for name in ("python_version", "gpus", "addresses", "free_ports", "installed"):
            facts[name] = tuple(facts[name])
        facts["taken_ports"] = dict(facts["taken_ports"])
        facts["clock_skew_s"] = facts.pop("clock") - time.time()
        return cls(**facts)


@dataclass(frozen=True)
class Question:
    """What to ask a machine: the names of `MachineFacts` that are not fixed."""

    cluster: str
    node: str
    distributions: tuple[str, ...]
    ports: int
    first_port: int
    last_port: int
    fixed_ports: tuple[int, ...] = ()
    #: What a guard says of itself, in its node's folder.
    guard_file: str = IDENTITY_FILE


async def read_facts(
    transport: Transport, question: Question, *, python_path: str | None, python: str | None = None
) -> MachineFacts:
    """Ask a machine.

    Its Python is the one in the folder `python_path`, or else `python`, or else the first on its PATH.
    Raises MachineError where there is none, or no shell that is known here.
    """
    try:
        answer = (await asyncio.wait_for(_ask(transport, question, python_path, python), _TIMEOUT_S)).strip()
    except asyncio.TimeoutError as error:
        raise MachineError(
            transport.host,
            f"it lets us in, and tells nothing of itself within {_TIMEOUT_S:.0f} s.",
            f"Does its home, or a disk on its PATH, hang? `{by_hand(transport.host)}` must print ok, and end.",
        ) from error
    lines = answer.splitlines()
    answers = [line for line in lines if line.startswith("{")]
    if not answers and NO_PYTHON in lines and not lines[0].startswith("Traceback"):
        told = lines[lines.index(NO_PYTHON) + 1 :]
        raise _no_python(transport.host, python_path, *told[:1], found=told[1:])
    try:
        # Python may have something to say of its own, before or after.
        return MachineFacts.parse(answers[-1])
    except (ValueError, IndexError, TypeError) as error:
        last = lines[-1].rstrip(".:") if lines else "nothing"
        # A shell that may start no process says so where nobody listens.
        limits = "" if lines else ", and see whether you may start enough processes there: ulimit -u"
        raise MachineError(
            transport.host,
            f"its Python did not answer as one: {last}.",
            f"Set `pythonPath` to the folder of a Python that runs there{limits}.",
        ) from error


def _no_python(host: str, python_path: str | None, folder: str = "", *, found: Sequence[str]) -> MachineError:
    """The error of a machine without a Python where one was looked for; `found` are executables beside the way."""
    what = "there is neither python3 nor python in its PATH, nor where Pythons are usually kept."
    if python_path is not None:
        kind = {"missing": ", which does not exist", "file": ", which is a file"}.get(folder, "")
        what = f"there is neither python3 nor python in the folder `pythonPath: {python_path}`{kind}."
    near = list(dict.fromkeys(found))[:4]
    if near:
        folders = ", ".join(dict.fromkeys(path.rpartition("/")[0] for path in near))
        remedy = f"Set `pythonPath` to the folder of a Python on that machine, such as {folders}."
    else:
        remedy = "Install a Python 3.10 to 3.13 there, with conda, uv or pyenv, and set `pythonPath` to its folder."
    return MachineError(host, what, remedy)


async def _ask(transport: Transport, question: Question, python_path: str | None, python: str | None) -> str:
    known = windows_known(transport)
    if known is None:
        try:
            return await run_shell(transport, facts_script(question, python_path, python))
        except NoShell:
            known = await windows_shell(transport)
            if known is None:
                raise
    return await _ask_windows(transport, known, question, candidates(python_path, python))


async def _ask_windows(transport: Transport, shell: WindowsShell, question: Question, tried: tuple[str, ...]) -> str:
    source = _HOOK + "".join(file.read_text(encoding="utf-8") for file in (*_SOURCES, _ON_WINDOWS))
    asked = sent_module(
        source, vars(question), "print('\\n' + json.dumps(dict(result, **place_facts(), **limit_facts())))"
    )
    async with run_first_python(transport, shell, tried, ("-E", "-c", LOADER)) as stream:
        await stream.write(asked)
        stream.write_eof()
        answer = await read_all(stream)
    return answer.decode(errors="replace")


def facts_script(question: Question, python_path: str | None, python: str | None) -> str:
    """Return the shell script that chooses the Python and runs the questions in it."""
    if python_path is not None:
        folder = expand_home(python_path.rstrip("/"))
        candidates = f"{folder}/python3 {folder}/python"
    elif python is not None:
        candidates = shlex.quote(python)
    else:
        candidates = f"python3 python {_ELSEWHERE}"
    nearby = "" if python_path is None else _NEARBY.format(folder=folder, elsewhere=_ELSEWHERE)
    source = "".join(file.read_text(encoding="utf-8") for file in _SOURCES)
    return (
        "found= old= broken=\ntry() {\n"
        '  [ -z "$found" ] && command -v "$1" >/dev/null 2>&1 || return 0\n'
        f'  "$1" -E -S -c {shlex.quote(_NEW_ENOUGH)} >/dev/null 2>&1\n'
        f"  case $? in 0) found=$1;; {_TOO_OLD}) old=$1;; *) broken=${{broken:-$1}};; esac\n"
        "}\n"
        f'for candidate in {candidates}; do try "$candidate"; done\n'
        # The Python of the trials may be too old to tell us anything.
        f'if [ -n "$old" ]; then for candidate in python3 {_ELSEWHERE}; do try "$candidate"; done; fi\n'
        # One that does not run, as a shim of pyenv's without a version, is asked for its last words only.
        '[ -n "$found" ] || found=${old:-$broken}\n'
        f'if [ -z "$found" ]; then echo "{NO_PYTHON}"\n{nearby}exit 0; fi\n'
        "\"$found\" -E - <<'END OF FACTS' 2>&1\n"
        # The folder that Python is started in comes first on its path, and may hold a random.py of the user's.
        f"import sys\nsys.path.pop(0)\n{source}\n"
        f"print(json.dumps(dict(main({vars(question)!r}, None), **place_facts(), **limit_facts())))\nEND OF FACTS"
    )


def expand_home(path: str) -> str:
    """Quote a path for sh, a leading ~ left to the machine."""
    if path == "~" or path.startswith("~/"):
        return '"$HOME"' + shlex.quote(path[1:])
    return shlex.quote(path)
