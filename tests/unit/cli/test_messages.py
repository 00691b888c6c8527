"""Messages for people: fitted to a terminal, a line each elsewhere."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from ray_remote_nni.cli import output


@pytest.mark.parametrize("is_terminal", [True, False])
def test_a_row_about_a_machine_is_wrapped_beside_its_name_on_a_terminal_only(
    monkeypatch: pytest.MonkeyPatch, is_terminal: bool
) -> None:
    console = Console(file=(file := io.StringIO()), force_terminal=is_terminal, width=80, color_system=None)
    monkeypatch.setattr(output, "ERR", console)
    said = "its Python has no Ray, so that it gets a runtime of its own, which takes a while"
    output.machine_rows()("gpu1", said)
    lines = file.getvalue().splitlines()
    if not is_terminal:
        assert len(lines) == 1
        assert lines[0].endswith(f"  {said}")
    else:
        assert lines[0].endswith("so that it gets a runtime of")
        assert lines[1] == " " * 28 + "its own, which takes a while"
