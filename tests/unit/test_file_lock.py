from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ray_remote_nni.file_lock import is_locked, lock, try_lock

Open = Callable[[], int]


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Open]:
    descriptors: list[int] = []

    def opening() -> int:
        descriptors.append(os.open(tmp_path / "lock", os.O_RDWR | os.O_CREAT))
        return descriptors[-1]

    yield opening
    for descriptor in descriptors:
        os.close(descriptor)


def test_a_lock_is_one_holders_until_its_file_is_closed(opened: Open, tmp_path: Path) -> None:
    holder = os.open(tmp_path / "lock", os.O_RDWR | os.O_CREAT)
    assert try_lock(holder)
    assert not try_lock(opened())
    os.close(holder)
    assert try_lock(opened())


def test_whoever_only_looks_is_taken_for_no_holder_by_others_who_look(opened: Open) -> None:
    assert not is_locked(opened())
    assert not is_locked(opened())


def test_whoever_looks_is_told_of_the_holder(opened: Open) -> None:
    lock(opened())
    assert is_locked(opened())


def test_whoever_waits_has_the_lock_when_the_holder_lets_go(opened: Open, tmp_path: Path) -> None:
    holder = os.open(tmp_path / "lock", os.O_RDWR | os.O_CREAT)
    lock(holder)
    waiting = threading.Thread(target=lock, args=(opened(),))
    waiting.start()
    waiting.join(0.1)
    assert waiting.is_alive()
    os.close(holder)
    waiting.join(10)
    assert not waiting.is_alive()
    assert not try_lock(opened())
