"""Broken configs, and word for word what is said about each.

After a change of messages, `UPDATE_GOLDEN=1` rewrites the expected texts: read their diff, they are what users read.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ray_remote_nni.config import ConfigInvalid, load_config

GOLDEN = Path(__file__).parent / "golden"
CONFIGS = sorted(GOLDEN.glob("[0-9]*.yml"))


@pytest.mark.parametrize("config", CONFIGS, ids=lambda path: path.stem)
def test_a_broken_config_gets_its_golden_messages(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(GOLDEN)
    with pytest.raises(ConfigInvalid) as caught:
        load_config(Path(config.name), {})
    text = "".join(f"{problem.level}: {problem}\n" for problem in caught.value.problems)
    text = text.replace(str(GOLDEN), "FOLDER")
    expected = config.with_suffix(".txt")
    if os.environ.get("UPDATE_GOLDEN"):
        expected.write_text(text)
    assert text == expected.read_text()
    assert "hunter2" not in text


def test_there_are_at_least_thirty_of_them() -> None:
    assert len(CONFIGS) >= 30
