"""Values of a configuration that are given at the command line, read as in a file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ray_remote_nni.config.located import LocatedDict, to_plain
from ray_remote_nni.config.names import dotted
from ray_remote_nni.config.problems import Problem, Refused
from ray_remote_nni.config.quantities import parse_duration_s
from ray_remote_nni.config.search_space import check_search_space
from ray_remote_nni.config.space_source import parse_space
from ray_remote_nni.config.text_file import Unreadable, read_text
from ray_remote_nni.config.tuner_spaces import unsupported
from ray_remote_nni.config.yaml_source import Unparsable
from ray_remote_nni.errors import UsageError


def read_duration(text: str) -> float:
    """Return seconds for a duration such as 90, 1.5h or 2d. Raises UsageError."""
    try:
        return parse_duration_s(text)
    except (Refused, ValueError) as error:
        raise UsageError(f"{text!r} is no duration. Write a number of seconds, or 30m, 1.5h, 2d.") from error


def read_search_space(path: Path, *, tuner: str | None) -> dict[str, Any]:
    """Return the search space in a file of JSON or YAML for a built-in tuner; one of the user's own checks it itself.

    Raises UsageError.
    """
    try:
        node = parse_space(path, read_text(path))
    except Unreadable as error:
        raise UsageError(f"{path}: {error}.") from error
    except Unparsable as error:
        raise UsageError("\n".join(f"{path}:{flaw}" for flaw in error.flaws)) from error
    if not isinstance(node, LocatedDict):
        raise UsageError(f"{path} holds no search space: a mapping of parameter names is wanted.")
    space: dict[str, Any] = to_plain(node)
    if tuner is None:
        return space
    space, flaws = check_search_space(space)
    errors = [flaw for flaw in flaws if flaw.level == "error"] or unsupported(tuner, space)
    wrong = [Problem(str(path), None, None, dotted(f.path), "error", f.message, f.remedy) for f in errors]
    if wrong:
        raise UsageError("\n".join(map(str, wrong)))
    return space
