"""YAML as such: what it hides, and how it breaks."""

from __future__ import annotations

import pytest

from ray_remote_nni.config.located import LocatedDict, LocatedScalar, to_plain
from ray_remote_nni.config.yaml_source import Unparsable, parse_yaml, resolve_plain


@pytest.mark.parametrize(
    ("text", "line", "column", "words"),
    [
        ("a: b\n\tc: d\n", 2, 1, "a tab"),
        ("a:\n  b: 1\n \t c: 2\n", 3, 2, "a tab"),
        ("a: 1\nb: 2\na: 3\n", 3, 1, "this key is there twice, first in line 1"),
        ("a: {x: 1, x: 2}\n", 1, 11, "this key is there twice"),
        ("a: 'b\nc: d\n", 1, 4, "opened here and never closed"),
        ("a: [1, 2\nb: 3\n", 2, 2, "comma or the closing bracket .* the bracket was opened in line 1"),
        ("a: b: c\n", 1, 5, "second colon"),
        ("a: 1\n  b: 2\n", 2, 4, "second colon in this line, or wrong indentation"),
        ("a:\n    b: 1\n  c: 2\n", 3, 3, "does not continue the block"),
        ("a\nb: 1\n", 2, 2, "second colon in this line, or wrong indentation"),
        ("a: 1\nb\n", 2, 1, "a name without ': ' after it"),
        ("a: @b\n", 1, 4, "cannot start with @"),
        ("a: %b\n", 1, 4, "cannot start with %"),
        ("a: *b\n", 1, 4, "starts with \\*"),
        ("a: [${B}]\n", 1, 6, "must be in quotes"),
        ("a: {b: ${C:-d}, e: 1}\n", 1, 9, "must be in quotes"),
        ("a: !b c\n", 1, 4, "starts with !"),
        ("a: !!python/object:os.system x\n", 1, 4, "starts with !"),
        ('a: "\\q"\n', 1, 6, "backslash"),
        ("a: 1\n---\nb: 2\n", 2, 1, "second YAML document"),
        ("a: \x07\n", 1, 4, "control character #x0007"),
        ("? [a]\n: b\n", 1, 3, "cannot be a field's name"),
        ("a: &a [*a]\n", 1, 4, "contains itself"),
        ("a: !!int x\n", 1, 4, "does not fit its type"),
        ("a: {<<: 3}\n", 1, 9, "merges mappings only"),
    ],
)
def test_broken_yaml_is_explained_with_its_place(text: str, line: int, column: int, words: str) -> None:
    with pytest.raises(Unparsable, match=words) as caught:
        parse_yaml(text)
    assert (caught.value.flaws[0].mark.line, caught.value.flaws[0].mark.column) == (line, column)


def test_every_doubled_key_is_reported() -> None:
    with pytest.raises(Unparsable) as caught:
        parse_yaml("a: 1\na: 2\nb: {c: 1, c: 2}\n")
    assert [flaw.mark.line for flaw in caught.value.flaws] == [2, 3]


def test_a_handful_of_aliases_cannot_stand_for_a_billion_values() -> None:
    lines = ["a0: &a0 [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 10)]
    with pytest.raises(Unparsable, match="aliases stand for more than"):
        parse_yaml("\n".join(lines))


def test_nesting_without_end_is_an_error_and_no_crash() -> None:
    parse_yaml("[" * 190 + "]" * 190)
    for depth in (300, 600):
        with pytest.raises(Unparsable, match="nested more than 200 deep"):
            parse_yaml("[" * depth + "]" * depth)


def test_values_are_those_of_yaml() -> None:
    text = "a: 1\nb: 1.5\nc: yes\nd: null\ne: 'x'\nf: [1, '2']\ng: {h: true}\ni: 1e-3\nj: 2024-01-02\n"
    node = parse_yaml(text)
    assert isinstance(node, LocatedDict)
    assert to_plain(node) == {
        "a": 1,
        "b": 1.5,
        "c": True,
        "d": None,
        "e": "x",
        "f": [1, "2"],
        "g": {"h": True},
        "i": "1e-3",
        "j": "2024-01-02",
    }


def test_scalars_keep_their_text_and_place() -> None:
    node = parse_yaml("a: 1\nport:   010\n")
    assert isinstance(node, LocatedDict)
    entry = node.get("port")
    assert entry is not None
    assert isinstance(entry.value, LocatedScalar)
    assert (entry.value.value, entry.value.text, entry.value.plain) == (8, "010", True)
    assert (entry.mark.line, entry.mark.column, entry.value.mark.column) == (2, 1, 9)


def test_merged_keys_yield_to_a_mappings_own() -> None:
    node = parse_yaml("x: &x {a: 1, b: 1}\ny: &y {b: 2, c: 2}\nz: {<<: [*x, *y], a: 3}\n")
    assert isinstance(node, LocatedDict)
    assert to_plain(node)["z"] == {"a": 3, "b": 1, "c": 2}


@pytest.mark.parametrize(("text", "value"), [("4", 4), ("true", True), ("x", "x"), ("", None), ("a: b", "a: b")])
def test_a_plain_text_gets_the_type_that_yaml_would_give_it(text: str, value: object) -> None:
    assert resolve_plain(text) == value
