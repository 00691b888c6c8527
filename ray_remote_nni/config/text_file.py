"""Reading a small text file that a user named, with every way in which that can fail."""

from __future__ import annotations

from pathlib import Path

MAX_BYTES = 10 * 1024 * 1024


class Unreadable(Exception):
    """The file is no text file that can be read; `message` says why, `remedy` what to do."""

    def __init__(self, message: str, remedy: str | None = None) -> None:
        self.message = message
        self.remedy = remedy
        super().__init__(message)


def read_text(path: Path) -> str:
    """The file's text, with no byte-order mark. Raises Unreadable."""
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except FileNotFoundError as error:
        raise Unreadable("there is no such file", "Check the path") from error
    except IsADirectoryError as error:
        raise Unreadable("this is a directory, not a file", "Name the file in it") from error
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise Unreadable(f"it cannot be read: {reason}") from error
    if len(content) > MAX_BYTES:
        raise Unreadable(f"it is larger than {MAX_BYTES // 1024**2} MB", "Check that this is the file you mean")
    if content[:2] in (b"\xff\xfe", b"\xfe\xff"):
        raise Unreadable("it is UTF-16 text", "Save it as UTF-8")
    if b"\0" in content:
        raise Unreadable("it is a binary file", "Check that this is the file you mean")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise Unreadable(f"it is not UTF-8 text (line {line})", "Save it as UTF-8") from error
