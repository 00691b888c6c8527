from __future__ import annotations

import pytest

from ray_remote_nni.words import last_line, plural


@pytest.mark.parametrize(
    ("count", "said"), [(0, "0 machines"), (1, "1 machine"), (2, "2 machines")], ids=["none", "one", "several"]
)
def test_one_is_told_from_none_and_several(count: int, said: str) -> None:
    assert plural(count, "machine") == said


def test_a_word_may_have_a_plural_of_its_own() -> None:
    assert plural(2, "library", "libraries") == "2 libraries"


@pytest.mark.parametrize(
    ("printed", "told"),
    [
        (b"Traceback:\n  line\nValueError: no\n\n", "ValueError: no"),
        (b"\xff\r\nlost\r\n", "lost"),
        (b" \n\n", "no reason given"),
        (b"", "no reason given"),
    ],
)
def test_the_last_line_of_what_was_printed_is_its_reason(printed: bytes, told: str) -> None:
    assert last_line(printed, "no reason given") == told
