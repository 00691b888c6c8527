from __future__ import annotations

import itertools
from collections.abc import Callable

import pytest
from rich.console import Console
from screens import START, pipe, printed, terminal

from ray_remote_nni.records import RecordReader, RecordStore
from ray_remote_nni.views.frame import frame
from ray_remote_nni.views.live import EARLIER_NOTICES, PLAIN_LINE_S, WHOLE_NOTICES, LiveView
from ray_remote_nni.views.snapshot import take_snapshot
from ray_remote_nni.views.tables import print_experiment

NOW = START + 724


def drawn(reader: RecordReader, console: Console, **options: str) -> list[str]:
    console.print(frame(take_snapshot(reader), NOW, console, **options))
    return printed(console)


def test_a_frame_shows_how_far_the_experiment_is(reader: RecordReader, add: Callable[..., None]) -> None:
    add(0, 0.5, lr=0.1, layer={"_name": "conv", "size": 3})
    add(1, 0.98, lr=0.0123456789, layer={"_name": "none"})
    add(2, "boom", lr=0.2)
    add(3, lr=0.3)
    lines = drawn(reader, terminal(), dashboard="http://127.0.0.1:8265")
    assert lines[0].split() == ["Experiment", "k3f9x2ab", "digits", "RUNNING", "12", "min", "04", "s"]
    assert lines[1].split() == ["Dashboard", "http://127.0.0.1:8265"]
    assert lines[2] == "Trials      1 running, 2 succeeded, 1 failed"
    assert lines[3] == "Best        0.98  trial 1 (t0001)  lr=0.0123457 layer=none"
    assert lines[4].endswith(" 3 of 20 trials")
    assert lines[6].split() == ["#", "trial", "machine", "time", "last", "result", "parameters"]
    assert lines[7].split() == ["3", "t0003", "192.0.2.1", "12", "min", "04", "s", "–", "lr=0.3"]


def test_a_frame_of_an_experiment_that_has_just_begun_is_whole(reader: RecordReader) -> None:
    lines = drawn(reader, terminal())
    assert lines[1:3] == ["Trials      none yet", "Best        none yet"]
    assert lines[3].endswith(" 0 of 20 trials")
    assert len(lines) == 4


def test_a_frame_fits_into_the_terminal_whatever_runs(
    store: RecordStore, reader: RecordReader, add: Callable[..., None]
) -> None:
    long = {f"a_parameter_with_a_long_name_{number}": "x" * 50 for number in range(20)}
    add(0, 0.5, **long)
    for sequence in range(1, 41):
        add(sequence, **long)
    for width, height in itertools.product((40, 80, 140), (8, 24, 60)):
        lines = drawn(reader, terminal(width, height), note="connecting again …")
        assert len(lines) < height
        assert max(map(len, lines)) <= width
        if height == 60:
            assert any("t0040" in line for line in lines)
        elif height == 24:
            assert lines[-1].startswith("and ")
            assert lines[-1].endswith(" more running")


def test_the_last_result_and_the_gpus_of_a_running_trial_are_shown(
    store: RecordStore, reader: RecordReader, add: Callable[..., None]
) -> None:
    add(0, lr=0.1)
    store.attempt_started("t0000", 1, "192.0.2.1", [0, 2], start_time=START)
    store.add_metrics("t0000", 1, [(0, "PERIODICAL", {"default": 0.25, "loss": 1}, 1.0)])
    lines = drawn(reader, terminal())
    assert lines[-1].split() == ["0", "t0000", "192.0.2.1", "0,2", "12", "min", "04", "s", "0.25", "lr=0.1"]


def test_text_that_looks_like_markup_is_text(
    store: RecordStore, reader: RecordReader, add: Callable[..., None]
) -> None:
    add(0, 0.5, note="[red]x[/red] [/] :smile:")
    store.add_notice("warning", "[bold]no[/bold] \x1b[31mmarkup")
    console = pipe()
    with LiveView(console, clock=lambda: NOW) as view:
        view.update(reader)
    text = "\n".join(printed(console))
    assert "note=[red]x[/red] [/] :smile:" in text
    assert "warning: [bold]no[/bold] markup" in text


def test_without_a_limit_there_is_no_bar(store: RecordStore, reader: RecordReader) -> None:
    with store._writer.changing():
        store._writer.update("experiment", {}, max_trial_number=None)
    assert drawn(reader, terminal())[3].strip() == "0 trials ended, no limit"


def test_more_trials_than_a_limit_that_was_lowered_are_not_counted_of_it(
    store: RecordStore, reader: RecordReader, add: Callable[..., None]
) -> None:
    for sequence in range(3):
        add(sequence, 0.5)
    with store._writer.changing():
        store._writer.update("experiment", {}, max_trial_number=2)
    console = pipe()
    with LiveView(console, clock=lambda: NOW) as view:
        view.update(reader)
        store.set_status("DONE", end_time=NOW)
        view.update(reader)
    assert "DONE; 3 trials ended; 3 succeeded" in "\n".join(printed(console))
    console = terminal()
    print_experiment(console, reader)
    assert any("(3 ended)" in line for line in printed(console))


def test_without_a_terminal_there_is_a_line_at_the_start_and_one_at_the_end(
    store: RecordStore, reader: RecordReader, add: Callable[..., None]
) -> None:
    console = pipe()
    with LiveView(console, dashboard="http://127.0.0.1:8265", clock=lambda: NOW) as view:
        view.update(reader)
        for sequence in range(5):
            add(sequence, 0.5 + sequence, lr=0.1)
            view.update(reader)
        store.set_status("DONE", end_time=NOW)
        view.update(reader)
    assert printed(console) == [
        "Experiment k3f9x2ab is RUNNING, dashboard at http://127.0.0.1:8265",
        "12 min 04 s: no trial has started yet",
        "12 min 04 s: DONE; 5 of 20 trials ended; 5 succeeded; best 4.5, trial 4 (t0004): lr=0.1",
    ]


def test_without_a_terminal_a_line_comes_every_ten_seconds_if_something_changed(
    reader: RecordReader, add: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 1000.0
    monkeypatch.setattr("ray_remote_nni.views.live.time.monotonic", lambda: now)
    console = pipe()
    with LiveView(console, clock=lambda: NOW) as view:
        for sequence in range(6):
            view.update(reader)
            view.update(reader)
            if sequence < 4:
                add(sequence, 0.5)
            now += PLAIN_LINE_S / 2
    assert [line.split(" of ")[0] for line in printed(console)[1:]] == [
        "12 min 04 s: no trial has started yet",
        "12 min 04 s: 2",
        "12 min 04 s: 4",
    ]


@pytest.mark.parametrize("make_console", [pipe, terminal])
def test_each_notice_is_shown_once_and_stays(
    store: RecordStore, reader: RecordReader, add: Callable[..., None], make_console: Callable[[], Console]
) -> None:
    console = make_console()
    with LiveView(console, clock=lambda: NOW) as view:
        view.update(reader)
        store.add_notice("error", "failed with exit code 1:\n  ValueError: lr", trial_id="t0000")
        view.update(reader)
        view.update(reader)
    text = "\n".join(printed(console))
    assert text.count("error: trial t0000: failed with exit code 1:") == 1
    assert text.count("ValueError: lr") == 1


def test_a_notice_that_names_its_trial_is_not_given_the_name_twice(store: RecordStore, reader: RecordReader) -> None:
    store.add_notice("warning", "trial t0000 ended without a final result", trial_id="t0000")
    console = pipe()
    with LiveView(console, clock=lambda: NOW) as view:
        view.update(reader)
    assert "\n".join(printed(console)).count("t0000") == 1


def test_who_attaches_late_sees_the_newest_notices_and_how_many_there_were(
    store: RecordStore, reader: RecordReader
) -> None:
    for number in range(EARLIER_NOTICES + 1):
        store.add_notice("info", f"notice {number}")
    console = pipe()
    with LiveView(console, clock=lambda: NOW) as view:
        view.update(reader)
    lines = printed(console)
    assert lines[1] == "1 earlier notice: ray-nni show k3f9x2ab"
    assert [line.split()[-1] for line in lines[2:-1]] == ["1", "2", "3", "4", "5"]


def test_a_flood_of_failures_does_not_bury_the_terminal(store: RecordStore, reader: RecordReader) -> None:
    console = pipe()
    with LiveView(console, clock=lambda: NOW) as view:
        view.update(reader)
        for number in range(WHOLE_NOTICES + 5):
            store.add_notice("error", f"trial {number} failed:\nTraceback\nValueError")
            view.update(reader)
    assert printed(console).count("Traceback") == WHOLE_NOTICES
    assert any(line.endswith(f"trial {WHOLE_NOTICES + 4} failed: … ValueError") for line in printed(console))


@pytest.mark.parametrize(("parameters", "end"), [({"graph": list(range(300))}, " …"), ({}, "trial 0 (t0000)")])
def test_a_line_about_progress_is_no_longer_than_a_glance(
    parameters: dict[str, object], end: str, reader: RecordReader, add: Callable[..., None]
) -> None:
    add(0, 0.5, **parameters)
    console = pipe()
    with LiveView(console, clock=lambda: NOW) as view:
        view.update(reader)
    line = printed(console)[-1]
    assert line.endswith(end)
    assert len(line) < 500


def test_a_note_is_said_once(reader: RecordReader) -> None:
    console = pipe()
    with LiveView(console, clock=lambda: NOW) as view:
        view.note("connecting again …")
        view.note("connecting again …")
        view.note(None)
    assert printed(console) == ["connecting again …"]


def test_nothing_of_the_table_is_left_on_the_terminal(reader: RecordReader, capsys: pytest.CaptureFixture[str]) -> None:
    console = terminal()
    with LiveView(console, clock=lambda: NOW) as view:
        view.update(reader)
        print("a result")
    assert capsys.readouterr().out == "a result\n"
    assert console.file.getvalue().endswith("\x1b[2K")  # type: ignore[attr-defined]


def test_what_a_program_printed_stays_as_it_was_and_its_marks_below_what_they_mark(
    store: RecordStore, reader: RecordReader
) -> None:
    code = "    " + "value = " * 12 + "1 / 0"
    marks = " " * (len(code) - 5) + "^^^^^"
    store.add_notice("error", f"trial t0000 failed {'again and ' * 10}again\n{code}\n{marks}", trial_id="t0000")
    console = terminal(80)
    with LiveView(console, clock=lambda: NOW) as view:
        view.update(reader)
    lines = printed(console)
    at = next(number for number, line in enumerate(lines) if line.endswith(code))
    assert lines[at : at + 2] == [code, marks]
    assert lines[at - 1].strip().endswith("again")
