"""What CI is strict about: no test is skipped, and every package has a known version."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

CONSTRAINTS = Path(__file__).parents[2] / ".ci/constraints.txt"

SKIPPING = """
import pytest

def test_that_runs():
    pass

@pytest.mark.skip(reason="no machine")
def test_that_needs_a_machine():
    pass
"""


SKIPPED_WHOLE = """
import pytest

pytest.importorskip("no_such_package")
"""


@pytest.mark.parametrize("at_once", [[], ["-p", "xdist", "--numprocesses", "2"]], ids=["one by one", "at once"])
@pytest.mark.parametrize(("in_ci", "code"), [(True, 1), (False, 0)])
def test_a_skipped_test_fails_the_run_in_ci_only(tmp_path: Path, at_once: list[str], in_ci: bool, code: int) -> None:
    (tmp_path / "test_skipping.py").write_text(SKIPPING)
    (tmp_path / "test_skipped.py").write_text(SKIPPED_WHOLE)
    environment = {name: value for name, value in os.environ.items() if name != "CI"}
    environment |= {"PYTHONPATH": str(Path(__file__).parents[1]), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    if in_ci:
        environment["CI"] = "true"
    argv = [sys.executable, "-m", "pytest", "-p", "conftest", "-p", "no:cacheprovider", "--rootdir", str(tmp_path)]

    done = subprocess.run([*argv, *at_once, tmp_path], env=environment, cwd=tmp_path, capture_output=True, text=True)

    assert done.returncode == code, done.stdout + done.stderr
    assert "1 passed, 2 skipped" in done.stdout.splitlines()[-1]
    assert ("skipped ones count as failures" in done.stdout) == in_ci


def test_every_package_that_ci_installs_has_a_version_that_the_project_accepts() -> None:
    lines = CONSTRAINTS.read_text(encoding="utf-8").splitlines()
    pinned = {pin.name: pin for pin in (Requirement(line) for line in lines if not line.startswith("#"))}
    for text in metadata.requires("ray-remote-nni") or []:
        wanted = Requirement(text)
        if wanted.marker is not None and not wanted.marker.evaluate({"extra": "dev"}):
            continue
        (pin,) = pinned[canonicalize_name(wanted.name)].specifier
        assert pin.operator == "=="
        assert wanted.specifier.contains(pin.version), text
