"""The Pythons that tests run trials in: all of this machine, and environments with a real `nni`."""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

MakeVenv = Callable[..., Path]


def _pythons() -> dict[str, Path]:
    """The newest of each minor version from 3.6 on, by pyenv or on PATH; this test's own is always there."""
    found = {f"{sys.version_info[0]}.{sys.version_info[1]}": Path(sys.executable)}
    for minor in range(6, 14):
        name = f"3.{minor}"
        installed = sorted(
            (Path.home() / ".pyenv" / "versions").glob(f"{name}.*/bin/python"),
            key=lambda path: [int(number) for number in re.findall(r"\d+", path.parent.parent.name)],
        )
        on_path = shutil.which(f"python{name}")
        if installed:
            found.setdefault(name, installed[-1])
        elif on_path and subprocess.run([on_path, "-c", "import ensurepip"], capture_output=True).returncode == 0:
            found.setdefault(name, Path(on_path))
    return found


PYTHONS = _pythons()


def first_of(*versions: str) -> Path:
    """The first of these Python versions that is here, else the test's own."""
    return next((PYTHONS[version] for version in versions if version in PYTHONS), Path(sys.executable))


@pytest.fixture(scope="session", params=[pytest.param(path, id=name) for name, path in sorted(PYTHONS.items())])
def any_python(request: pytest.FixtureRequest) -> Path:
    """Each Python of this machine in turn."""
    return Path(request.param)


@pytest.fixture(scope="session")
def old_python() -> Path:
    """The oldest Python that is here, without Ray."""
    found = first_of("3.6", "3.7", "3.8", "3.9", "3.12", "3.13")
    # Where there is no other, it is the one from which this test's environment was made.
    return found.resolve() if found == Path(sys.executable) else found


@pytest.fixture(scope="session")
def cache_folder() -> Path:
    """What is costly to make and the same in every run: it lies in the user's cache folder."""
    folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "ray-nni-tests"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@pytest.fixture(scope="session")
def make_venv(cache_folder: Path) -> MakeVenv:
    """Call `make_venv(name, python, *packages, pth=None)`: the environment's Python, built once and then kept.

    `pth`: a folder whose packages the environment shall see too; it lies in our own one then, whose they are.
    """

    def make(name: str, python: Path, *packages: str, pth: Path | None = None) -> Path:
        real = python.resolve()
        base = cache_folder if pth is None else Path(sys.prefix) / "for-tests"
        base.mkdir(exist_ok=True)
        folder = base / f"{name}-{real.parent.parent.name}"
        recipe = "\n".join([str(real), *packages, str(pth)])
        recipe_file = folder / "recipe"
        with (base / f"{folder.name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not recipe_file.is_file() or recipe_file.read_text() != recipe:
                shutil.rmtree(folder, ignore_errors=True)
                subprocess.run([python, "-m", "venv", folder], check=True)
                if packages:
                    pip = [str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet", *packages]
                    subprocess.run(pip, check=True)
                if pth is not None:
                    (next(folder.glob("lib/python3*")) / "site-packages" / "shared.pth").write_text(f"{pth}\n")
                recipe_file.write_text(recipe)
        return folder / "bin" / "python"

    return make


@pytest.fixture(scope="session")
def nni_3_python(make_venv: MakeVenv) -> Path:
    """A Python with the real NNI 3.0. It needs the pkg_resources of an older setuptools."""
    return make_venv("nni-3.0", first_of("3.10", "3.11", "3.9"), "nni==3.0", "setuptools<81")


@pytest.fixture(scope="session")
def nni_2_python(make_venv: MakeVenv) -> Path:
    """A Python with the real NNI 2.10.1."""
    return make_venv("nni-2.10.1", first_of("3.9", "3.8", "3.10", "3.11"), "nni==2.10.1", "setuptools<81")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run the tests on machines last: what takes milliseconds tells of a slip at once."""
    items.sort(key=lambda item: "hosts" in item.path.parts)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say why a run without failures fails in CI."""
    if _must_not_skip(terminalreporter):
        terminalreporter.write_line("In CI every test must run: the skipped ones count as failures.", red=True)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """In CI a test that was skipped, for want of a machine or a package say, is a failure."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if reporter is not None and _must_not_skip(reporter) and session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def _must_not_skip(reporter: pytest.TerminalReporter) -> bool:
    return bool(os.environ.get("CI") and reporter.stats.get("skipped"))


@pytest.fixture(autouse=True)
def umask() -> Iterator[None]:
    """The umask is the next test's again, whatever a module that is made for a machine does to it."""
    before = os.umask(0o022)
    os.umask(before)
    yield
    os.umask(before)
