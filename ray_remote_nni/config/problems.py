"""What is wrong or noteworthy in a config, with its place in the file."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any, Literal

from ray_remote_nni.errors import RayNniError

Level = Literal["error", "warning"]


@dataclass(frozen=True)
class Problem:
    """One error or warning about one field.

    `line` and `column` count from 1; they are None where the problem has no place (a missing file).
    `message` and `remedy` have no full stop at their end and never hold a secret.
    """

    file: str | None
    line: int | None
    column: int | None
    field: str
    level: Level
    message: str
    remedy: str | None = None

    def to_json(self) -> dict[str, Any]:
        """The shape of `check --json`'s problems."""
        return asdict(self)

    def __str__(self) -> str:
        place = ":".join(str(part) for part in (self.file, self.line, self.column) if part is not None)
        parts = [part for part in (place, self.field, self.message) if part]
        return ": ".join(parts) + "." + (f" {self._sentence}" if self.remedy else "")

    @property
    def _sentence(self) -> str:
        return f"{self.remedy}."


@dataclass(frozen=True)
class MachineProblem(Problem):
    """A problem with a machine. Its remedy ends as it should: with a full stop, a question mark, or a command."""

    @property
    def _sentence(self) -> str:
        return self.remedy or ""


class ConfigInvalid(RayNniError):
    """The config cannot be used; `problems` holds every error of it, and the warnings too."""

    exit_code = 2

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = list(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems if problem.level == "error"))

    def __reduce__(self) -> tuple[type[ConfigInvalid], tuple[list[Problem]]]:
        # Exceptions are pickled with their message as the only argument, which is not ours.
        return (ConfigInvalid, (self.problems,))


def in_reading_order(problems: Iterable[Problem], main_file: str) -> list[Problem]:
    """Sorted as a reader meets them: the config itself first, then the files that it names."""
    return sorted(
        problems, key=lambda p: (p.file != main_file, p.file or "", p.line or 0, p.column or 0, p.level == "warning")
    )


class Refused(ValueError):
    """A value that a field does not take; `accepted` completes the sentence "accepted: ...".

    `show_items` says that a message may show what is in a list, since no secret can be there.
    """

    def __init__(self, accepted: str, remedy: str | None = None, *, show_items: bool = False) -> None:
        self.accepted = accepted
        self.remedy = remedy
        self.show_items = show_items
        super().__init__(f"accepted: {accepted}")
