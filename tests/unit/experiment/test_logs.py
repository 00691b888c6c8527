"""A trial's output, fetched from its machine as it comes."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from ray_remote_nni.cluster.local import LocalTransport
from ray_remote_nni.errors import NotFound
from ray_remote_nni.experiment.logs import _fetch, _in_turn


class Access:
    """Every machine is this one, and its login shell greets."""

    async def connect(self, _: Any) -> LocalTransport:
        class Greeting(LocalTransport):
            def run(self, command: str) -> Any:
                return super().run(f"echo welcome; {command}")

        return Greeting()


def fetched(home: Path) -> Any:
    node = SimpleNamespace(home=str(home), label="gpu1", python=sys.executable)
    return _in_turn(_fetch(cast(Any, Access()), cast(Any, node), "exp12345", "aB3dE", "stdout"))


@pytest.fixture
def output(tmp_path: Path) -> Path:
    folder = tmp_path / ".ray-nni/experiments/exp12345/trials/aB3dE"
    folder.mkdir(parents=True)
    return folder / "stdout"


def test_output_arrives_byte_for_byte_without_the_login_shells_greeting(output: Path, tmp_path: Path) -> None:
    output.write_bytes(b"one\n-- ray-nni output --\n\0\xff")
    assert b"".join(fetched(tmp_path)) == output.read_bytes()


def test_output_of_100_mb_comes_in_parts(output: Path, tmp_path: Path) -> None:
    with output.open("wb") as file:
        file.truncate(10**8)
    sizes = [len(part) for part in fetched(tmp_path)]
    assert sum(sizes) == 10**8
    assert max(sizes) <= 2**20


def test_who_has_seen_enough_of_it_leaves_the_rest(output: Path, tmp_path: Path) -> None:
    with output.open("wb") as file:
        file.truncate(10**9)
    parts = fetched(tmp_path)
    assert next(parts)
    parts.close()


def test_output_that_is_not_there_is_not_found(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="gpu1"):
        list(fetched(tmp_path))
