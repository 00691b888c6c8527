"""Three machines, as different as a lab's are, and a client's home that knows them."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import machines as m
import pytest
from client import Client

# In the background of a script we would ignore Ctrl-C, and so would all commands that the tests start.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def trial_pythons(make_venv: Callable[..., Path]) -> list[Path]:
    """Two folders for `pythonPath`: this test's own environment, and another that sees the same packages."""
    own = Path(sys.executable).parent
    packages = Path(pytest.__file__).parents[1]
    other = make_venv("second", Path(sys.executable), pth=packages)
    return [own, other.parent]


@pytest.fixture(scope="session")
def shared_folders(cache_folder: Path, trial_pythons: list[Path]) -> list[Path]:
    """What the machines must see of this one's disk wherever it lies: Pythons."""
    pythons = [Path(sys.prefix), Path(sys.base_prefix), *(folder.parent for folder in trial_pythons)]
    return [*pythons, cache_folder, Path.home() / ".pyenv"]


@pytest.fixture(scope="session")
def machines(shared_folders: list[Path]) -> Iterator[list[m.TestMachine]]:
    """h1: root, by key. h2: bob with a password, on port 10022. h3: carol, by key.

    They live as long as the session: a test leaves them as it found them.
    """
    specs = [m.Spec(), m.Spec(port=10022, user="bob", password="bob123"), m.Spec(user="carol")]
    with m.machines(*specs, shared=shared_folders) as made:
        yield made


@pytest.fixture
def client_home(tmp_path: Path, machines: list[m.TestMachine]) -> Path:
    """The home of a client who knows the machines' host keys, and whose ~/.ssh/id_rsa opens those that a key opens."""
    folder = tmp_path / "home"
    folder.mkdir()
    return m.make_client_home(folder, machines)


@pytest.fixture
def client(client_home: Path) -> Client:
    """The user of that home."""
    return Client(client_home)


@pytest.fixture
def entries(machines: list[m.TestMachine], trial_pythons: list[Path]) -> list[dict[str, object]]:
    """The machines as a machineList, all with the same Python."""
    return [machine.entry(pythonPath=str(trial_pythons[0])) for machine in machines]


@pytest.fixture
def nothing_is_left(machines: list[m.TestMachine]) -> Iterator[None]:
    """After the test there run on the machines just the processes of before."""
    before = [machine.processes() for machine in machines]
    yield
    assert [machine.processes() for machine in machines] == before
