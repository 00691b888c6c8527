"""Rows and tables that keep paths whole."""

from __future__ import annotations

import pytest
from rich.text import Text
from screens import pipe, printed, terminal

from ray_remote_nni.views.layout import Columns, Rows
from ray_remote_nni.views.output import show

PATH = "/home/bob/.conda/envs/" + "digits/" * 12 + "bin"
COLUMNS = ("machine", "login", "pythonPath")
MACHINES = [[Text("bob@gpu1"), Text("a key"), Text(PATH)], [Text("bob@gpu2"), Text(""), Text("/opt/bin")]]


@pytest.mark.parametrize("width", [40, 80])
def test_words_are_wrapped_below_each_other_and_a_path_stays_whole(width: int) -> None:
    console = terminal(width)
    show(console, Rows([(Text("command"), Text("word " * 30 + PATH)), (Text("at"), Text("4"))]))
    lines = printed(console)
    assert f"         {PATH}" in lines
    assert all(len(line) <= width for line in lines if PATH not in line)
    assert all(line.startswith(" " * 9 + "word") for line in lines[1:-2])
    assert lines[-1] == "at       4"


def test_a_table_that_does_not_fit_has_a_block_for_each_row_with_what_there_is() -> None:
    console = terminal(80)
    show(console, Columns(COLUMNS, MACHINES))
    assert printed(console) == [
        "bob@gpu1",
        "  login       a key",
        f"  pythonPath  {PATH}",
        "bob@gpu2",
        "  pythonPath  /opt/bin",
    ]


def test_a_table_that_fits_is_one_and_so_it_is_in_a_pipe_whatever_its_width() -> None:
    wide, narrow = terminal(200), pipe()
    for console in (wide, narrow):
        show(console, Columns(COLUMNS, MACHINES))
        assert printed(console)[0].split() == [*COLUMNS]
        assert printed(console)[1].split() == ["bob@gpu1", "a", "key", PATH]
