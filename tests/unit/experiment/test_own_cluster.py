"""The cluster that an experiment brought up for itself: taken down after it, unless others need it."""

from __future__ import annotations

import asyncio
import json
import threading
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from experiment_values import experiment_entry, new_records
from this_machine import cluster, record_on_head

from ray_remote_nni.experiment import run
from ray_remote_nni.experiment.access import ClusterAccess
from ray_remote_nni.experiment.registry import ExperimentEntry
from ray_remote_nni.records.model import ExperimentStatus


def finish_own(
    home: Path, entry: ExperimentEntry, monkeypatch: pytest.MonkeyPatch, dashboard_port: int = 2
) -> tuple[bool, list[str]]:
    """Finish an experiment that brought its cluster up; tell whether that was taken down, and what was reported."""
    ended = []

    async def end_cluster(*_: object) -> None:
        ended.append(True)

    monkeypatch.setattr(run, "end_cluster", end_cluster)
    state = replace(cluster(home), dashboard_port=dashboard_port)
    running = run.RunningExperiment(entry, ClusterAccess(state, None), own=True)
    reported: list[str] = []
    asyncio.run(run.finish_experiment(running, lambda host, what: reported.append(what), stop=False))
    return bool(ended), reported


@pytest.mark.parametrize(("other", "taken_down"), [("RUNNING", False), ("DONE", True), (None, True)])
def test_a_cluster_of_an_experiments_own_stays_up_while_another_one_runs_on_it(
    home: Path,
    entry: ExperimentEntry,
    monkeypatch: pytest.MonkeyPatch,
    other: ExperimentStatus | None,
    taken_down: bool,
) -> None:
    entry.save()
    record_on_head(home, ("aB3dE", "localhost"))
    if other is not None:
        experiment_entry(entry.mirror.parent / "other", experiment_id="other123").save()
        with new_records(home / ".ray-nni" / "experiments" / "other123" / "records.sqlite") as store:
            store.set_driver()
            store.set_status(other)
    ended, reported = finish_own(home, entry, monkeypatch)
    assert ended is taken_down
    assert any("other123" in what for what in reported) is not taken_down


@pytest.mark.parametrize(("job", "taken_down"), [("PENDING", False), ("RUNNING", False), ("FAILED", True)])
def test_a_cluster_of_an_experiments_own_stays_up_while_the_code_of_another_one_arrives(
    home: Path, entry: ExperimentEntry, monkeypatch: pytest.MonkeyPatch, job: str, taken_down: bool
) -> None:
    class Jobs(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            assert self.path == "/api/jobs/job-2"
            self.send_response(200)
            self.end_headers()
            self.wfile.write(json.dumps({"status": job}).encode())

    entry.save()
    record_on_head(home, ("aB3dE", "localhost"))
    experiment_entry(entry.mirror.parent / "other", experiment_id="other123", job="job-2").save()
    with ThreadingHTTPServer(("127.0.0.1", 0), Jobs) as ray_dashboard:
        threading.Thread(target=ray_dashboard.serve_forever, args=(0.01,), daemon=True).start()
        ended, reported = finish_own(home, entry, monkeypatch, ray_dashboard.server_port)
        ray_dashboard.shutdown()
    assert ended is taken_down
    assert any("other123" in what for what in reported) is not taken_down
