"""Whatever a configuration says is data: no name or path gets out of the shell commands that are built of it."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ray_remote_nni.cluster.facts import Question, facts_script
from ray_remote_nni.cluster.transport import quote

#: Pieces of which ways out of a shell's quoting are made; each tries to leave a file called `out`.
PIECES = [
    "$(touch out)", "`touch out`", ";touch out;", "|touch out|", "&touch out&", "\ntouch out\n", ">out", "'", '"',
    "\\", "!", "~", "~/", "$HOME", "${IFS}", "*", "#", "END OF FACTS\n", ")", "}", "}}", "''", "a b", "é", "-x", "\t",
]  # fmt: skip
HOSTILE = st.lists(st.sampled_from(PIECES), min_size=1, max_size=6).map("".join)
FUZZ = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
QUESTION = Question(cluster="abc", node="0", distributions=(), ports=0, first_port=1, last_port=1)


def in_sh(folder: Path, script: str) -> str:
    """Run a script in an empty folder, of which it must leave nothing but that."""
    environment = {"PATH": "/usr/bin:/bin", "HOME": str(folder)}
    done = subprocess.run(["sh", "-s"], input=script, capture_output=True, text=True, cwd=folder, env=environment)
    assert list(folder.iterdir()) == []
    return done.stdout


@pytest.fixture
def empty(tmp_path: Path) -> Path:
    return tmp_path


@FUZZ
@given(text=HOSTILE)
def test_a_quoted_argument_is_one_word_or_refused(empty: Path, text: str) -> None:
    if "\n" in text:
        with pytest.raises(ValueError, match="line break"):
            quote(text)
    else:
        assert in_sh(empty, f"printf %s {quote(text)}") == text


@FUZZ
@given(path=HOSTILE)
def test_a_python_path_is_looked_for_and_not_run(empty: Path, path: str) -> None:
    # A path in the middle of nowhere, so that no Python is found by chance.
    for place in (f"/nowhere/{path}", f"~/{path}/x"):
        assert in_sh(empty, facts_script(QUESTION, place, None)).strip() == "no python"


@FUZZ
@given(name=HOSTILE)
def test_a_python_is_looked_for_and_not_run(empty: Path, name: str) -> None:
    assert in_sh(empty, facts_script(QUESTION, None, f"/nowhere/{name}")).strip() == "no python"
