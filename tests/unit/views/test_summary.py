from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from rich.console import Console
from screens import START, pipe, printed, terminal

from ray_remote_nni.records import RecordReader, RecordStore
from ray_remote_nni.views.summary import final_summary, next_steps


@pytest.mark.parametrize("make_console", [pipe, terminal])
def test_the_summary_has_the_best_trial_with_all_digits_of_its_parameters(
    store: RecordStore, reader: RecordReader, add: Callable[..., None], make_console: Callable[[], Console]
) -> None:
    add(0, 0.9833333333333333, lr=0.012345678901234567, layer={"_name": "conv", "size": 3}, note="[b]")
    add(1, 0.5, lr=0.1)
    store.set_status("DONE", end_time=START + 724)
    console = make_console()
    final_summary(console, reader)
    assert printed(console) == [
        "Experiment k3f9x2ab (digits) is DONE after 12 min 04 s: 2 succeeded",
        "",
        "Best 0.9833333333333333 (maximize), trial 0 (t0000)",
        "  lr          0.012345678901234567",
        "  layer       conv",
        "  layer.size  3",
        "  note        [b]",
    ]


def test_a_failure_is_told_with_its_cause(store: RecordStore, reader: RecordReader, add: Callable[..., None]) -> None:
    add(0, "first")
    add(1, "Traceback:\nValueError: lr")
    store.set_status("ERROR", "no trial succeeded", end_time=START + 1)
    console = pipe()
    final_summary(console, reader)
    assert printed(console) == [
        "Experiment k3f9x2ab (digits) is ERROR after 1 s: 2 failed",
        "no trial succeeded",
        "No trial succeeded with a value, so there is no best one.",
        "",
        "Last failure: trial 1 (t0001), exit code 1",
        "  Traceback:",
        "  ValueError: lr",
    ]


def test_an_experiment_that_still_runs_is_summed_up_too(reader: RecordReader) -> None:
    console = pipe()
    final_summary(console, reader, now=START + 3780)
    assert printed(console) == ["Experiment k3f9x2ab (digits) is RUNNING for 1 h 03 min: no trial"]


def test_the_next_steps_are_commands_that_can_be_copied() -> None:
    for console in (pipe(), terminal(60)):
        next_steps(console, "k3f9x2ab", "t0007", Path("/home/alice/nni-experiments/k3f9x2ab"))
        lines = printed(console)
        assert any(line.startswith("ray-nni trials k3f9x2ab  ") for line in lines)
        assert any(line.startswith("ray-nni export k3f9x2ab -t csv -f k3f9x2ab.csv  ") for line in lines)
        assert any(line.startswith("ray-nni logs t0007 --experiment k3f9x2ab  ") for line in lines)
        assert lines[-1] == "Kept in /home/alice/nni-experiments/k3f9x2ab"


def test_without_a_best_trial_no_log_of_it_is_named() -> None:
    console = pipe()
    next_steps(console, "k3f9x2ab")
    assert not [line for line in printed(console) if "logs" in line or "Kept" in line]


def test_a_long_line_of_a_failure_is_not_cropped(
    store: RecordStore, reader: RecordReader, add: Callable[..., None]
) -> None:
    line = f'File "/home/alice/{"digits/" * 12}train.py", line 7, in <module>'
    add(0, f"Traceback:\n  {line}")
    store.set_status("ERROR", end_time=START + 1)
    console = terminal(80)
    final_summary(console, reader)
    assert printed(console)[-1] == f"    {line}"


def test_after_failures_only_the_output_of_the_last_one_is_offered_and_no_results() -> None:
    console = pipe()
    next_steps(console, "k3f9x2ab", failed_trial_id="t0003")
    lines = [line for line in printed(console) if line]
    assert lines[0].startswith("ray-nni trials k3f9x2ab")
    assert lines[1].startswith("ray-nni logs t0003 --experiment k3f9x2ab  ")
    assert len(lines) == 2


def test_with_a_best_trial_its_output_is_offered_whatever_failed() -> None:
    console = pipe()
    next_steps(console, "k3f9x2ab", "t0001", failed_trial_id="t0003")
    text = "\n".join(printed(console))
    assert "logs t0001" in text
    assert "export" in text
    assert "t0003" not in text


def test_trials_that_a_stop_ended_are_told_as_to_run_on_resume(
    store: RecordStore, reader: RecordReader, add: Callable[..., None]
) -> None:
    add(0, 0.5)
    store.add_trial("t0001", 1, {}, create_time=START)
    store.set_status("STOPPED", end_time=START + 1)
    console = pipe()
    final_summary(console, reader)
    assert printed(console)[0].endswith("is STOPPED after 1 s: 1 to run on resume, 1 succeeded")
