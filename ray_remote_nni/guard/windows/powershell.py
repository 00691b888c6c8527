"""What PowerShell reads as text, and as nothing else."""

from __future__ import annotations

import re

#: PowerShell takes the typographic ones for apostrophes too.
_APOSTROPHES = re.compile("(['\u2018\u2019\u201a\u201b])")


def powershell_text(text: str) -> str:
    """Return a text as PowerShell reads it, whatever is in it. Raises ValueError for what does not fit into a line."""
    if re.search(r"[\r\n\0]", text):
        raise ValueError(f"{text!r} does not fit into a line")
    return "'" + _APOSTROPHES.sub(r"\1\1", text) + "'"
