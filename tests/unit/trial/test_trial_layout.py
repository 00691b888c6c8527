"""Where the contents of a code lie: small ones in one pack, and what is sent of them in spans."""

from __future__ import annotations

import random

import pytest

from ray_remote_nni.trial.layout import PACK, Layout, Piece, joined, layout_of
from ray_remote_nni.trial.manifest import Entry, Manifest


def layout(sizes: dict[str, int]) -> Layout:
    """The layout of files with these names and sizes; content is the same where the first letter and the size are."""
    entries = [Entry(name, "file", 0o644, size, 1, f"{name[0]}{size}") for name, size in sizes.items()]
    random.shuffle(entries)
    return layout_of(Manifest((Entry("folder", "folder"), *entries, Entry("link", "link", content="x"))))


def test_small_contents_lie_one_after_the_other_by_the_names_of_their_files_and_large_ones_alone() -> None:
    found = layout({"b": 10, "a": 2**20, "d": 2**20 + 1, "c": 0, "e": 500 * 2**20, "f": 7})
    assert found.pieces() == {
        "a1048576": Piece(PACK, 0, 2**20),
        "b10": Piece(PACK, 2**20, 10),
        "c0": Piece(PACK, 2**20 + 10, 0),
        "f7": Piece(PACK, 2**20 + 10, 7),
        "d1048577": Piece("d1048577", 0, 2**20 + 1),
        "e524288000": Piece("e524288000", 0, 500 * 2**20),
    }


def test_a_content_of_several_files_lies_there_once() -> None:
    found = layout({"a1": 5, "a2": 5, "a3": 2**21, "a4": 2**21, "b": 3})
    assert [entry.path for entry in found.contents] == ["a1", "b", "a3"]


def test_too_many_small_contents_count_as_large() -> None:
    names = [chr(ord("0") + number) for number in range(70)]
    found = layout({name: 2**19 + number for number, name in enumerate(names)})
    assert [entry.path for entry in found.large] == names[63:]


def test_contents_of_which_a_trials_copies_would_be_too_many_count_as_large_wherever_they_are_used() -> None:
    found = layout({**{f"a{number}": 2**20 for number in range(33)}, "b": 2**20 - 1})
    assert [entry.path for entry in found.packed] == ["b"]
    assert [entry.path for entry in found.large] == ["a0"]


def test_pieces_consist_of_contents_of_which_a_large_one_may_be_cut() -> None:
    found = layout({"a": 10, "b": 0, "c": 20, "d": 0, "e": 5, "f": 2**20 + 5, "g": 2**20 + 6})

    def within(*pieces: Piece) -> list[tuple[str, int]]:
        return [(entry.path, start) for entry, start in found.within(pieces)]

    large = [entry.content for entry in found.large]
    everything = joined(found.pieces()[entry.content] for entry in found.contents)
    assert within(*everything) == [(path, 0) for path in "acefg"]
    assert within(Piece(PACK, 10, 20)) == [("c", 0)]
    assert within(Piece(PACK, 0, 10), Piece(PACK, 30, 5), Piece(large[1], 7, 2**20 - 1)) == [
        ("a", 0),
        ("e", 0),
        ("g", 7),
    ]
    assert within() == []


@pytest.mark.parametrize(
    ("pieces", "expected"),
    [
        ([], []),
        ([Piece("a", 0, 1), Piece("a", 1, 2), Piece("a", 3, 1)], [Piece("a", 0, 4)]),
        ([Piece("a", 0, 1), Piece("a", 2, 2)], [Piece("a", 0, 1), Piece("a", 2, 2)]),
        ([Piece("a", 0, 1), Piece("b", 1, 2)], [Piece("a", 0, 1), Piece("b", 1, 2)]),
    ],
)
def test_pieces_that_follow_one_another_are_one(pieces: list[Piece], expected: list[Piece]) -> None:
    assert list(joined(pieces)) == expected
