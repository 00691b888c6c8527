"""What the tests of the cluster share: a client with a home of its own, and machines that speak SSH in this process."""

from __future__ import annotations

from pathlib import Path

import pytest
from ssh_machine import SshMachine


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The client's home: empty, and without an SSH agent."""
    folder = tmp_path / "client"
    (folder / ".ssh").mkdir(mode=0o700, parents=True)
    monkeypatch.setenv("HOME", str(folder))
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    return folder


@pytest.fixture
def machine(tmp_path: Path, home: Path) -> SshMachine:
    """A machine that is not up yet: `async with machine.running()`. Its home is not the client's."""
    folder = tmp_path / "machine"
    folder.mkdir()
    return SshMachine(folder)


@pytest.fixture
def known_hosts(home: Path) -> Path:
    """The client's known_hosts; the file is not there yet."""
    return home / ".ssh" / "known_hosts"
