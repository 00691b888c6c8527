"""What runs a trial's command: bash, else sh, or the program itself where a shell would do no more than start it."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

#: Words that no shell would change. A leading `=` or `~` means something to some of them.
_PLAIN = re.compile(r"[A-Za-z0-9_./+%@:-][A-Za-z0-9_./+%@:=,-]*( +[A-Za-z0-9_./+%@:=,-]+)*")
_ELF = b"\x7fELF"
#: Keywords and builtins of bash: what it does with them is its own.
_SHELLS_OWN = (
    ". : alias bg bind break builtin caller case cd command compgen complete compopt continue coproc declare "
    "dirs disown do done echo elif else enable esac eval exec exit export false fc fg fi for function getopts "
    "hash help history if in jobs kill let local logout mapfile popd printf pushd pwd read readarray readonly "
    "return select set shift shopt source suspend test then time times trap true type typeset ulimit umask "
    "unalias unset until wait while"
)


def command_argv(command: str, path: str | None, directory: Path) -> list[str]:
    """Return the argument list that runs `command` in `directory` with `path` as PATH.

    A shell that only starts one program costs a short trial a twentieth of its time. So where all words are plain ones
    and the first is a binary program, that is what is run; a script may need a shell to say what is wrong with it.
    """
    program = _program(command, path, directory)
    if program is not None:
        return [program, *command.split()[1:]]
    bash = shutil.which("bash", path=path)
    return [*([bash, "--norc"] if bash is not None else ["/bin/sh"]), "-c", command]


def _program(command: str, path: str | None, directory: Path) -> str | None:
    if not _PLAIN.fullmatch(command) or "=" in (name := command.split(" ", 1)[0]) or name in _SHELLS_OWN.split():
        return None
    found = str(directory / name) if "/" in name else shutil.which(name, path=path)
    # `which` takes a relative folder of PATH for one of ours.
    if found is None or not os.path.isabs(found):
        return None
    try:
        with open(found, "rb") as file:
            return found if file.read(len(_ELF)) == _ELF and os.access(found, os.X_OK) else None
    except OSError:
        return None
