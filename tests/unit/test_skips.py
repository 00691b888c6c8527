"""A skipped test is fine on a laptop, and a failure in CI."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

SKIPPING = """
import pytest

def test_that_runs():
    pass

@pytest.mark.skip(reason="no machine")
def test_that_needs_a_machine():
    pass
"""


@pytest.mark.parametrize(("in_ci", "code"), [(True, 1), (False, 0)])
def test_a_skipped_test_fails_the_run_in_ci_only(tmp_path: Path, in_ci: bool, code: int) -> None:
    (tmp_path / "test_skipping.py").write_text(SKIPPING)
    environment = {name: value for name, value in os.environ.items() if name != "CI"}
    environment |= {"PYTHONPATH": str(Path(__file__).parents[1]), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    if in_ci:
        environment["CI"] = "true"
    argv = [sys.executable, "-m", "pytest", "-p", "conftest", "-p", "no:cacheprovider", "--rootdir", str(tmp_path)]

    done = subprocess.run([*argv, tmp_path], env=environment, cwd=tmp_path, capture_output=True, text=True)

    assert done.returncode == code, done.stdout + done.stderr
    assert "1 passed, 1 skipped" in done.stdout.splitlines()[-1]
    assert ("skipped ones count as failures" in done.stdout) == in_ci
