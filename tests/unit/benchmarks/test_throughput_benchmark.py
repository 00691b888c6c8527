"""The throughput benchmark's arithmetic, and that the bare trial processes do what trials do."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
import yaml

from benchmarks.throughput.bare import run_xargs
from benchmarks.throughput.measurement import Measurement, Turns, best_ms, median_ms, take_turns
from benchmarks.throughput.table import OWN, TUNE, UP, throughput_bounds, throughput_table
from benchmarks.throughput.trials import CODE, Window, Workload, make_lean_python, read_window, write_config
from ray_remote_nni.config import load_config


def runs(*milliseconds: float) -> Sequence[Measurement]:
    return [Measurement(Window(100, ms / 10), wall_s=1.0, load=0.5) for ms in milliseconds]


def test_a_window_goes_from_the_first_start_to_the_last_end_in_whatever_order_trials_wrote() -> None:
    window = read_window(["12.5 13.0\n", "10.0 12.0\n11.0 16.0\n"], trials=3)
    assert window == Window(3, 6.0)
    assert window.trial_ms == 2000


def test_a_trial_that_wrote_nothing_is_missed() -> None:
    with pytest.raises(ValueError, match="3 trials were started, and 2"):
        read_window(["1 2\n", "2 3\n", ""], trials=3)


def test_bare_trials_run_in_the_lean_python_and_are_all_seen(tmp_path: Path) -> None:
    python = make_lean_python(tmp_path / "lean")
    measured = run_xargs(Workload(6, python))
    assert measured.window.trials == 6
    assert 0 < measured.window.seconds < measured.wall_s


def test_the_experiment_is_a_valid_nni_configuration(tmp_path: Path) -> None:
    path = write_config(tmp_path / "experiment", Workload(7, Path(sys.executable)), {"platform": "local"})
    loaded = load_config(path)
    assert loaded.experiment.max_trial_number == 7
    assert loaded.experiment.trial_code_directory == CODE
    assert yaml.safe_load(path.read_text())["trialConcurrency"] == 4


def test_the_best_and_the_middle_run_count() -> None:
    measured = runs(30, 10, 20)
    assert best_ms(measured) == pytest.approx(10)
    assert median_ms(measured) == pytest.approx(20)


def test_a_run_is_compared_with_the_bare_ones_just_before_and_after_it() -> None:
    order: list[str] = []

    def run() -> Measurement:
        order.append("ours")
        return runs(30)[0]

    def bare() -> Measurement:
        order.append("bare")
        return runs(20 * len(order))[0]

    turns = take_turns("ours", run, bare, repeats=2)
    assert order == ["bare", "ours", "bare", "ours", "bare"]
    assert turns.ratios == pytest.approx([30 / 40, 30 / 80])


def test_a_bound_is_missed_by_whoever_is_slower_than_promised() -> None:
    rows = [
        Turns(OWN, runs(24, 50, 24), runs(20, 20, 20, 20)),
        Turns(UP, runs(26), runs(20, 20)),
        Turns(TUNE, runs(601), runs(20, 20)),
    ]
    assert [bound.holds for bound in throughput_bounds(rows)] == [True, False, True]
    assert not throughput_bounds([*rows[:2], Turns(TUNE, runs(599), runs(20, 20))])[-1].holds


def test_the_table_has_a_row_for_each_way_with_its_ratio_to_the_bare_processes() -> None:
    lines = list(throughput_table([Turns(UP, runs(25, 33), runs(20, 20, 20))]))
    assert len(lines) == 3
    assert lines[2].startswith(f"| {UP} | 100 | 2 | 25.0 | 29.0 | 20.0 | 20.0 | 1.25 | 1.45 | 1.0 |")
