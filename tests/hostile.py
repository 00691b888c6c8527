"""Texts that try to be more than data where a shell command or a path is made of them."""

from __future__ import annotations

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

#: Pieces of which ways out of a shell's quoting are made; each tries to leave a file called `out`.
PIECES = [
    "$(touch out)", "`touch out`", ";touch out;", "|touch out|", "&touch out&", "\ntouch out\n", ">out", "'", '"',
    "\\", "!", "~", "$HOME", "${IFS}", "*", "#", "END OF FACTS\n", ")", "}", "}}", "{", "''", "a b", "é", "-x", "\t",
    "%", "%h", "?", "=", "\x1b[31m", "..", "[x]", "\r", "\u2028", "--", "%00",
]  # fmt: skip
HOSTILE = st.lists(st.sampled_from(PIECES), min_size=1, max_size=6).map("".join)
LINES = st.lists(st.sampled_from([piece for piece in PIECES if "\n" not in piece]), min_size=1, max_size=6).map("".join)
#: Names of files; `.` and `..` alone are none.
NAMES = HOSTILE.filter(lambda text: text not in (".", "..") and len(text.encode()) < 200)
LINE_NAMES = LINES.filter(lambda text: text not in (".", "..") and len(text.encode()) < 200)


def fuzz(examples: int) -> settings:
    """Settings for so many examples, in which a fixture is shared by all of them."""
    return settings(max_examples=examples, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
