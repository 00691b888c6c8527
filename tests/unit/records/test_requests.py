from __future__ import annotations

import io
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from ray_remote_nni.errors import NotFound
from ray_remote_nni.records import RecordReader, RecordsMissing, RecordStore
from ray_remote_nni.records.requests import add_request, main


def test_the_driver_sees_what_another_process_asks_for(store: RecordStore, path: Path) -> None:
    store.add_trial("aaa", 0, {})
    command = [sys.executable, "-m", "ray_remote_nni.records.requests", str(path.parent), "kill", "aaa"]
    subprocess.run(command, check=True)
    (request,) = store.pending_requests()
    assert (request.kind, request.trial_id) == ("kill", "aaa")


def test_a_finished_request_is_not_pending_and_others_keep_their_order(store: RecordStore, path: Path) -> None:
    store.add_trial("aaa", 0, {})
    first, second = add_request(path, "kill", "aaa"), add_request(path, "stop")
    assert [request.id for request in store.pending_requests()] == [first, second]
    store.finish_request(first)
    assert [request.kind for request in store.pending_requests()] == ["stop"]


def test_a_request_waits_for_the_writer_and_the_writer_for_it(store: RecordStore, path: Path) -> None:
    store.add_trial("aaa", 0, {})
    program = (
        "import pathlib, sys; from ray_remote_nni.records.requests import add_request\n"
        "for _ in range(50): add_request(pathlib.Path(sys.argv[1]), 'kill', 'aaa')"
    )
    with subprocess.Popen([sys.executable, "-c", program, str(path)]) as busy:
        while busy.poll() is None:
            store.add_metrics("aaa", 1, [(0, "PERIODICAL", 1, 1.0)])
            time.sleep(0.001)
    assert busy.returncode == 0
    assert len(store.pending_requests()) == 50


def test_a_request_does_not_touch_the_revisions(store: RecordStore, path: Path) -> None:
    store.add_trial("aaa", 0, {})
    add_request(path, "stop")
    store.add_notice("info", "after")
    assert [request.kind for request in store.pending_requests()] == ["stop"]


def test_killing_a_trial_that_is_not_there_is_refused(store: RecordStore, path: Path) -> None:
    with pytest.raises(NotFound, match="zzz"):
        add_request(path, "kill", "zzz")
    assert store.pending_requests() == []


def test_asking_where_no_records_are_is_refused_and_makes_none(tmp_path: Path) -> None:
    with pytest.raises(RecordsMissing):
        add_request(tmp_path / "records.sqlite", "stop")
    assert list(tmp_path.iterdir()) == []


def test_the_program_says_what_is_wrong_and_exits_4(
    store: RecordStore, path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(path.parent), "kill", "zzz"]) == 4
    assert "no trial zzz" in capsys.readouterr().err
    assert main([str(path.parent), "stop"]) == 0


@pytest.mark.parametrize("arguments", [["kill"], ["stop", "aaa"], ["pause"]])
def test_the_program_refuses_what_makes_no_sense(path: Path, arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as refusal:
        main([str(path.parent), *arguments])
    assert refusal.value.code == 2


def test_results_that_are_imported_again_are_learnt_once(
    store: RecordStore, path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def taken(*xs: int) -> Any:
        results = [{"parameter": {"x": x}, "value": float("inf")} for x in xs]
        monkeypatch.setattr(sys, "stdin", io.StringIO(json.dumps(results)))
        assert main([str(path.parent), "import"]) == 0
        return json.loads(capsys.readouterr().out)["taken"]

    assert taken(1, 2) == [0, 1]
    # No driver has dealt with the first.
    assert taken(2, 3, 3) == [1]
    for request in store.pending_requests():
        store.finish_request(request.id)
    assert taken(1, 2, 3) == []
    assert store.pending_requests() == []
    with RecordReader(path) as reader:
        assert [result["parameter"]["x"] for result in reader.learnt()] == [1, 2, 3]


def test_changes_reach_the_driver_as_they_were_given(
    store: RecordStore, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO('{"trialConcurrency": 3, "searchSpace": {}}'))
    assert main([str(path.parent), "update"]) == 0
    (request,) = store.pending_requests()
    assert (request.kind, request.payload) == ("update", {"trialConcurrency": 3, "searchSpace": {}})


def test_a_changed_experiment_is_recorded(store: RecordStore, path: Path) -> None:
    store.change_experiment(config={"a": 1}, search_space={"y": 2}, max_trial_number=9, trial_concurrency=4)
    with RecordReader(path) as reader:
        experiment = reader.experiment()
    assert (experiment.config, experiment.search_space) == ({"a": 1}, {"y": 2})
    assert (experiment.max_trial_number, experiment.trial_concurrency) == (9, 4)
