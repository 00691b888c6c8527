"""What the README and its like name is there: links, files, commands and their options."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer

from ray_remote_nni.cli.app import app

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "ray_remote_nni"
PAGES = ["README.md", "CONTRIBUTING.md", "CHANGELOG.md", "configs/README.md", "configs/mnist-pytorch/README.md"]

_LINK = re.compile(r"\]\(([^)\s]+)\)")
_FENCE = re.compile(r"^ {4}[^\n]*$|^```.*?^```", re.MULTILINE | re.DOTALL)
_SPAN = re.compile(r"`([^`]+)`")
_PATH = re.compile(r"(?<![\w./~$:-])\.?\w[\w.-]*/[\w./-]*")
_COMMAND = re.compile(r"(?<![\w.-])ray-nni +([a-z][a-z-]*)([^\n|]*)")
_OPTION = re.compile(r"(?<![\w-])--?[a-z][a-z-]*")


def code_of(page: str) -> Iterator[str]:
    """Yield what a page shows as code, in blocks and within lines."""
    text = (ROOT / page).read_text(encoding="utf-8")
    yield from (match.group() for match in _FENCE.finditer(text))
    yield from (" ".join(span.split()) for span in _SPAN.findall(_FENCE.sub("", text)))


def paths_in(page: str) -> set[str]:
    """Return what looks like a path into this repository: its first part is there, in the root or in the package."""
    found = {match.group().rstrip(".") for code in code_of(page) for match in _PATH.finditer(code)}
    return {path for path in found if any((base / path.split("/")[0]).exists() for base in (ROOT, PACKAGE))}


@pytest.mark.parametrize("page", PAGES)
def test_every_link_within_the_repository_leads_somewhere(page: str) -> None:
    links = [link for link in _LINK.findall((ROOT / page).read_text(encoding="utf-8")) if "://" not in link]
    assert [link for link in links if not ((ROOT / page).parent / link.partition("#")[0]).exists()] == []


@pytest.mark.parametrize("page", PAGES)
def test_every_file_that_is_named_exists(page: str) -> None:
    made = {".venv/bin/ray-nni", ".venv/bin/activate", ".venv/bin/python"}
    missing = [path for path in paths_in(page) - made if not any((base / path).exists() for base in (ROOT, PACKAGE))]
    assert missing == []


@pytest.mark.parametrize("page", PAGES)
def test_every_command_that_is_named_is_one_and_has_the_options_that_are_shown(page: str) -> None:
    commands = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    wrong = []
    for code in code_of(page):
        for name, rest in _COMMAND.findall(code):
            if name not in commands:
                wrong.append(name)
                continue
            command = commands[name]
            below = getattr(command, "commands", {})
            command = below.get(rest.split()[0] if rest.split() else "", command)
            known = {option for parameter in command.params for option in parameter.opts}
            wrong += [f"{name} {option}" for option in _OPTION.findall(rest) if option not in {*known, "--help"}]
    assert wrong == []


def test_the_readme_names_every_command() -> None:
    named = {name for code in code_of("README.md") for name, _ in _COMMAND.findall(code)}
    named |= {word for code in code_of("README.md") for word in re.findall(r"^[a-z]+$", code)}
    assert set(typer.main.get_command(app).commands) - named == set()  # type: ignore[attr-defined]


def test_the_readme_names_every_field_that_is_not_acted_on() -> None:
    from ray_remote_nni.config import unused

    text = (ROOT / "README.md").read_text(encoding="utf-8")
    fields = {field.path[-1] for field in (*unused._NOT_YET, *unused._POINTLESS)}
    assert {field for field in fields if field not in text} == set()


def test_the_examples_of_this_test_are_found() -> None:
    """Guards the patterns above: they would pass anything if they found nothing."""
    assert "configs/quickstart.yml" in paths_in("README.md")
    assert "cluster/plan.py" in paths_in("CONTRIBUTING.md")
    assert ("export", " -t csv -f results.csv") in [
        found for code in code_of("README.md") for found in _COMMAND.findall(code)
    ]
