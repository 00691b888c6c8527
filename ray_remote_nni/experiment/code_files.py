"""Which files of trialCodeDirectory go along: all but what `.nniignore` names, what no trial needs, and secrets."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from pathspec import GitIgnoreSpec

IGNORE_FILE = ".nniignore"
#: What no trial needs, wherever it lies, unless `.nniignore` says `!NAME`; a trialCodeDirectory may be somebody's home.
EXCLUDED_NAMES = frozenset(
    {".git", ".hg", ".svn", "__pycache__", ".venv", ".mypy_cache", ".pytest_cache", ".ruff_cache", ".ipynb_checkpoints"}
    | {".ssh", ".gnupg", ".ray-nni", "nni-experiments"}
)
_SECRET = re.compile(rb"(?i)pass_*(word|wd|phrase)")
_SECRET_FIELDS = {"password", "passwd", "passphrase", "sshpassphrase"}
_CONFIG_FIELDS = {"trainingservice", "trainingserviceplatform", "machinelist", "trialcommand", "trialcodedirectory"}
#: No configuration is larger.
_LONGEST_CONFIG = 2**20


@dataclass(frozen=True)
class _Rules:
    """An ignore file: its patterns hold below `folder`, a relative path that is empty or ends in a slash."""

    folder: str
    patterns: GitIgnoreSpec

    def verdict(self, path: str) -> bool | None:
        """Return True for a path to leave out, False for one to take after all, None where no pattern matches."""
        return self.patterns.check_file(path[len(self.folder) :]).include


def code_files(directory: Path, excluded: frozenset[Path] = frozenset()) -> Iterator[tuple[str, os.DirEntry[str]]]:
    """Yield relative name and entry of everything to upload, each folder before what is in it, in a fixed order.

    `excluded` are paths that stay here whatever else is said, with all that is below them. As with Git, an ignore file
    holds for its folder and what is below, the nearest counts most, and what is in a folder that is left out cannot be
    brought back. Environments are known by their pyvenv.cfg or conda-meta. Raises OSError.
    Source: NNI's `.nniignore`, which reads as `.gitignore` does.
    """
    yield from _walk(directory, "", frozenset(map(str, excluded)), ())


def _walk(
    directory: Path, folder: str, excluded: frozenset[str], rules: Sequence[_Rules]
) -> Iterator[tuple[str, os.DirEntry[str]]]:
    with os.scandir(directory / folder) as found:
        entries = sorted(found, key=lambda entry: entry.name)
    if any(entry.name == IGNORE_FILE and entry.is_file() for entry in entries):
        lines = (directory / folder / IGNORE_FILE).read_text(encoding="utf-8", errors="replace").splitlines()
        # To Git `a/**` is all that is in `a` but not `a` itself; pathspec does not make that difference.
        patterns = [re.sub(r"/\*\*\s*$", "/*", line) for line in lines]
        rules = (*rules, _Rules(folder, GitIgnoreSpec.from_lines(patterns)))
    for entry in entries:
        path = f"{folder}{entry.name}"
        is_folder = entry.is_dir(follow_symlinks=False)
        if entry.path in excluded or _is_left_out(f"{path}/" if is_folder else path, entry, is_folder, rules):
            continue
        yield path, entry
        if is_folder:
            yield from _walk(directory, f"{path}/", excluded, rules)


def _is_left_out(path: str, entry: os.DirEntry[str], is_folder: bool, rules: Sequence[_Rules]) -> bool:
    for nearest in reversed(rules):
        verdict = nearest.verdict(path)
        if verdict is not None:
            return verdict
    return entry.name in EXCLUDED_NAMES or (is_folder and _is_environment(entry.path))


def _is_environment(folder: str) -> bool:
    return os.path.exists(f"{folder}/pyvenv.cfg") or os.path.exists(f"{folder}/conda-meta/history")


def holds_password(file: Path) -> bool:
    """Tell whether a file is a configuration, of NNI's or ours, with a password or passphrase written out in it."""
    if file.suffix.lower() not in (".yml", ".yaml"):
        return False
    try:
        if file.stat().st_size > _LONGEST_CONFIG or not file.is_file():
            return False
        text = file.read_bytes()
        if not _SECRET.search(text):
            return False
        document = yaml.safe_load(text)
    except (OSError, ValueError, RecursionError, yaml.YAMLError):
        return False
    if not isinstance(document, dict) or not _CONFIG_FIELDS & {_plain(key) for key in document}:
        return False
    return _has_secret(document)


def _has_secret(value: Any) -> bool:
    if isinstance(value, list):
        return any(map(_has_secret, value))
    if not isinstance(value, dict):
        return False
    return any(
        (_plain(key) in _SECRET_FIELDS and _is_written_out(inner)) or _has_secret(inner) for key, inner in value.items()
    )


def _is_written_out(value: Any) -> bool:
    if value is None or isinstance(value, (dict, list)):
        return False
    return str(value) not in ("", "ask") and re.fullmatch(r"\$\{\w+\}", str(value)) is None


def _plain(key: object) -> str:
    return str(key).lower().replace("_", "")
