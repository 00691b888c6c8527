"""What the tests of the command line share: a way to type a command, and a client's home with results in it."""

from __future__ import annotations

from pathlib import Path

import pytest
from typed_command import Type, Typed

from ray_remote_nni.cli.app import main
from ray_remote_nni.cluster.state import ClusterState, MachineState
from ray_remote_nni.experiment.registry import ExperimentEntry
from ray_remote_nni.records.create import create_records

CONFIG = """\
searchSpace: {x: {_type: uniform, _value: [0, 1]}}
trialCommand: python3 t.py
trialConcurrency: 1
maxTrialNumber: 3
tuner: {name: TPE}
trainingService: {platform: local}
"""


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A client's home without clusters and experiments, and a wide terminal."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def typed(home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Type:
    """Call `typed("show", "--json")`: what a user sees who types `ray-nni show --json`."""

    def run(*arguments: str) -> Typed:
        monkeypatch.setattr("sys.argv", ["ray-nni", *arguments])
        with pytest.raises(SystemExit) as caught:
            main()
        said = capsys.readouterr()
        return Typed(int(caught.value.code or 0), said.out, said.err)

    return run


@pytest.fixture
def config(home: Path) -> Path:
    """A configuration that is good."""
    file = home / "config.yml"
    file.write_text(CONFIG)
    return file


@pytest.fixture
def experiment(home: Path) -> ExperimentEntry:
    """An experiment that is over, its cluster down: two trials that succeeded, one that failed, and their output."""
    entry = ExperimentEntry(
        "exp12345", "digits", str(home / "exp12345"), "abc123", str(home / "config.yml"), 1000.0, "c0de", "job-1"
    )
    entry.save()
    (home / "exp12345").mkdir()
    with create_records(
        entry.mirror,
        experiment_id="exp12345",
        name="digits",
        config={},
        search_space={"x": {"_type": "uniform", "_value": [0, 1]}},
        optimize_mode="maximize",
        max_trial_number=3,
        trial_concurrency=1,
        seed=None,
    ) as store:
        for sequence, (trial_id, value) in enumerate((("aaaaa", 0.5), ("bbbbb", float("nan")), ("ccccc", None))):
            store.add_trial(trial_id, sequence, {"x": sequence / 10}, start=True)
            store.finish(
                trial_id,
                1,
                "FAILED" if value is None else "SUCCEEDED",
                machine="gpu1",
                gpu_indices=(0,),
                start_time=1000.0,
                metrics=[(0, "PERIODICAL", 0.25, 1001.0)],
                value=value,
                metric=value,
                end_time=1002.0,
                exit_code=1 if value is None else 0,
                outcome="ended",
                error="ValueError: no" if value is None else None,
            )
        store.set_status("DONE")
    output = entry.trials_directory / "aaaaa"
    output.mkdir(parents=True)
    (output / "stdout").write_bytes(b"out\xff\n")
    (output / "stderr").write_bytes(b"err\n")
    return entry


@pytest.fixture
def known_cluster(home: Path) -> ClusterState:
    """A cluster of this machine, whose node does not run."""
    machine = MachineState(
        "localhost", None, None, 0, "127.0.0.1", str(home), "/usr/bin/python3", str(home / "n"), str(home / "n"), ()
    )
    state = ClusterState(
        "abc123", str(home / "c.yml"), "local", "up", 1.0, "s3cret", "lib", "2.60.0", "127.0.0.1:1", 8265, (machine,)
    )
    state.save()
    return state
