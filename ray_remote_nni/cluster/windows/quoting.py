"""Quoting for Windows, where each program takes its command line apart itself, and its shells before it."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Sequence

from ray_remote_nni.guard.windows.powershell import powershell_text

#: What cmd does something with where it stands outside of quotes; a caret takes that away, also from a quote itself.
_MEANT_FOR_CMD = re.compile(r'[()\[\]%!^"`<>&|;, *?=\t]')


def for_cmd(argv: Sequence[str]) -> str:
    """Return the line that has cmd start a program with these arguments. Raises ValueError for what no line can hold.

    Between quotes cmd leaves all but percent signs alone. A word with one of these, or with quotes of its own, is
    quoted by Microsoft's rules for the program, and then for cmd, so that cmd sees no quotes at all; a caret behind a
    percent sign makes of %NAME% a variable that nobody has.
    Source: "Everyone quotes command line arguments the wrong way" (Microsoft, 2011), and npm's cross-spawn.
    """
    for word in argv:
        if re.search(r"[\r\n\0]", word):
            raise ValueError(f"{word!r} does not fit into a line")
    program, *arguments = argv
    # Its own quotes are taken off before anything else is looked at, so a percent sign can stand between two pairs.
    start = '"' + program.replace("%", '"^%"') + '"'
    return " ".join([start, *map(_word_for_cmd, arguments)])


def _word_for_cmd(word: str) -> str:
    if '"' in word or "%" in word:
        return _MEANT_FOR_CMD.sub(r"^\g<0>", subprocess.list2cmdline([word]))
    # Backslashes before a quote would be taken for half as many and a quote.
    ending = word[len(word.rstrip("\\")) :]
    return f'"{word}{ending}"'


def for_powershell(argv: Sequence[str]) -> str:
    """Return the line that has PowerShell start a program with these arguments.

    Raises ValueError for what versions of PowerShell hand over in different ways: a double quote, nothing at all, or
    a blank and a backslash at the end.
    """
    for word in argv:
        if not word or '"' in word or (re.search(r"\s", word) and word.endswith("\\")):
            raise ValueError(f"PowerShell does not hand over {word!r} as it is")
    return "& " + " ".join(map(powershell_text, argv))
