"""Files of the client that are written whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ray_remote_nni.paths import private_file


def test_on_windows_a_file_is_replaced_once_nobody_reads_it_any_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tries = []

    def replace(part: str, path: Path) -> None:
        tries.append(part)
        if len(tries) < 3:
            raise PermissionError(13, "Access is denied")
        os.rename(part, path)

    monkeypatch.setattr("ray_remote_nni.paths.sys.platform", "win32")
    monkeypatch.setattr("ray_remote_nni.paths.os.replace", replace)
    with private_file(tmp_path / "a.json") as file:
        file.write("new")
    assert len(tries) == 3
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("a.json", "new")]


def test_a_file_that_cannot_take_its_place_leaves_nothing_behind(tmp_path: Path) -> None:
    (tmp_path / "a.json").mkdir()
    with pytest.raises(IsADirectoryError), private_file(tmp_path / "a.json") as file:
        file.write("new")
    assert [path.name for path in tmp_path.iterdir()] == ["a.json"]
