from __future__ import annotations

from collections.abc import Callable

import pytest
from screens import START, pipe, printed, terminal

from ray_remote_nni.records import RecordReader, RecordStore
from ray_remote_nni.records.shapes import experiment_json
from ray_remote_nni.views.tables import print_experiment, print_status, print_trials


def test_each_trial_is_a_line_and_each_parameter_a_column(reader: RecordReader, add: Callable[..., None]) -> None:
    add(0, 0.5, lr=0.0123456789, layer={"_name": "conv", "size": 3})
    add(1, "boom", lr=0.1, layer={"_name": "none"})
    add(2, lr=0.2, layer={"_name": "none"})
    console = terminal(100)
    print_trials(console, reader.trials(), now=START + 724)
    assert [line.split() for line in printed(console)] == [
        ["#", "trial", "status", "value", "time", "machine", "lr", "layer", "layer.size"],
        ["0", "t0000", "SUCCEEDED", "0.5", "42", "s", "192.0.2.1", "0.0123457", "conv", "3"],
        ["1", "t0001", "FAILED", "–", "0.00", "s", "192.0.2.1", "0.1", "none"],
        ["2", "t0002", "RUNNING", "–", "12", "min", "04", "s", "192.0.2.1", "0.2", "none"],
    ]


@pytest.mark.parametrize("width", [60, 80, 140])
def test_on_a_terminal_many_parameters_are_cut_and_in_a_pipe_they_are_not(
    reader: RecordReader, add: Callable[..., None], width: int
) -> None:
    long = {f"a_long_name_{number}": "x" * 20 for number in range(20)}
    for sequence in range(3):
        add(sequence, 0.5, **long)
    console = terminal(width)
    print_trials(console, reader.trials(), now=START)
    assert len(printed(console)) == 4
    assert max(map(len, printed(console))) <= width
    assert "t0002  SUCCEEDED    0.5  42 s  192.0.2.1" in printed(console)[-1]
    console = pipe()
    print_trials(console, reader.trials(), now=START)
    assert len(printed(console)) == 4
    assert printed(console)[-1].count("x" * 20) == 20


def test_without_trials_the_table_says_so(reader: RecordReader) -> None:
    console = pipe()
    print_trials(console, reader.trials())
    assert printed(console) == ["There are no trials yet."]


def test_an_experiment_is_shown_in_full(store: RecordStore, reader: RecordReader, add: Callable[..., None]) -> None:
    add(0, 0.5, lr=0.1)
    add(1, "boom", lr=0.2)
    store.add_notice("error", "trial t0001 failed:\n[ValueError]", trial_id="t0001")
    store.set_status("STOPPED", end_time=START + 60)
    console = terminal()
    print_experiment(console, reader)
    lines = printed(console)
    assert lines[:3] == ["Experiment  k3f9x2ab digits", "Status      STOPPED after 1 min 00 s", lines[2]]
    assert "Trials      1 succeeded, 1 failed (2 of 20 ended)" in lines
    assert "Machines    192.0.2.1 (2 trials)" in lines
    assert "Command     python3 digits.py" in lines
    assert "At once     4 trials" in lines
    assert "Limits      20 trials" in lines
    assert "Tuner       TPE maximize, seed 7" in lines
    assert "To go on    ray-nni resume k3f9x2ab" in lines
    assert "Best 0.5 (maximize), trial 0 (t0000)" in lines
    assert lines[-2].endswith("error: trial t0001 failed:")
    assert lines[-1].strip() == "[ValueError]"


def test_an_experiment_is_shown_with_its_limits_and_its_assessor(store: RecordStore, reader: RecordReader) -> None:
    config = reader.experiment().config | {
        "maxExperimentDuration": "2h",
        "maxTrialDuration": 90.0,
        "assessor": {"name": "Medianstop", "classArgs": {"optimize_mode": "maximize", "start_step": 2}},
    }
    changed = {"search_space": {}, "max_trial_number": None, "trial_concurrency": 1}
    store.change_experiment(config=config, **changed)
    console = terminal()
    print_experiment(console, reader)
    lines = printed(console)
    assert "Limits      2h for all, 1 min 30 s for a trial" in lines
    assert "Assessor    Medianstop, optimize_mode maximize, start_step 2" in lines
    assert not any(line.startswith("To go on") for line in lines)


def test_the_status_shows_clusters_with_their_machines_and_experiments(
    reader: RecordReader, add: Callable[..., None]
) -> None:
    add(0, 0.5, lr=0.1)
    add(1, "boom", lr=0.2)
    machines = [
        {"host": "192.0.2.1", "status": "UP", "runningTrials": 3},
        {"host": "192.0.2.2", "status": "DOWN", "runningTrials": None},
    ]
    cluster = {"name": "default", "status": "UP", "config": "/c.yml", "head": "192.0.2.1", "machines": machines}
    console = terminal()
    print_status(console, {"clusters": [cluster], "experiments": [experiment_json(reader)]})
    lines = [line.split() for line in printed(console)]
    assert lines[1] == ["default", "UP", "/c.yml", "192.0.2.1", "(head)", "UP", "3"]
    assert lines[2] == ["192.0.2.2", "DOWN", "–"]
    assert lines[5][:3] == ["k3f9x2ab", "digits", "RUNNING"]
    assert lines[5][-4:] == ["2,", "1", "failed", "0.5"]


def test_a_narrow_terminal_has_the_machines_of_a_cluster_below_each_other() -> None:
    hosts = [f"gpu-{number}." + "machines." * 3 + "example.org" for number in (1, 2)]
    machines = [{"host": host, "status": "up", "runningTrials": 1} for host in hosts]
    console = terminal(80)
    cluster = {"name": "abc123", "status": "up", "config": "/c.yml", "head": hosts[0], "machines": machines}
    print_status(console, {"clusters": [cluster], "experiments": []})
    assert printed(console)[:9] == [
        "abc123",
        "  status            up",
        "  config            /c.yml",
        f"  machine           {hosts[0]} (head)",
        "  machine's status  up",
        "  running trials    1",
        f"  machine           {hosts[1]}",
        "  machine's status  up",
        "  running trials    1",
    ]


def test_machines_of_one_host_are_shown_with_their_ports() -> None:
    machines = [{"host": "gate", "port": port, "status": "up", "runningTrials": 0} for port in (10022, 10023)]
    cluster = {"name": "c", "status": "up", "head": "gate", "headPort": 10023, "machines": machines}
    console = terminal()
    print_status(console, {"clusters": [cluster], "experiments": []})
    assert [line.split() for line in printed(console)][1:3] == [
        ["c", "up", "gate:10022", "up", "0"],
        ["gate:10023", "(head)", "up", "0"],
    ]


def test_when_nothing_is_there_the_status_says_so() -> None:
    console = pipe()
    print_status(console, {"clusters": [], "experiments": []})
    assert printed(console) == ["No cluster is up.", "", "There are no experiments yet."]
