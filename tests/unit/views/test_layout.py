"""Rows and tables that keep paths whole."""

from __future__ import annotations

import pytest
from rich.text import Text
from screens import pipe, printed, terminal

from ray_remote_nni.views.layout import Columns, Prose, Rows
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


def test_prose_is_wrapped_at_words_and_keeps_commands_and_addresses_whole() -> None:
    console = terminal(80)
    said = (
        "Dashboard: http://127.0.0.1:8265  (it asks for a token of this cluster: ray-nni dashboard --token) "
        "or attach to what runs with its name or its id, say: ray-nni attach k3f9x2ab"
    )
    show(console, Prose(Text(said), hang=4))
    assert printed(console) == [
        "Dashboard: http://127.0.0.1:8265  (it asks for a token of this cluster:",
        "    ray-nni dashboard --token) or attach to what runs with its name or its id,",
        "    say: ray-nni attach k3f9x2ab",
    ]


def test_a_command_that_has_no_line_to_itself_breaks_between_its_words() -> None:
    console = terminal(40)
    show(console, Prose(Text(f"Then: ray-nni run {PATH} --accept-new-host-keys --detach")))
    assert printed(console) == ["Then: ray-nni run", PATH, "--accept-new-host-keys --detach"]


def test_prose_in_a_pipe_is_one_line() -> None:
    console = pipe()
    show(console, Prose(Text("word " * 100)))
    assert printed(console) == [("word " * 100).strip()]
