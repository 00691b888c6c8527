"""Ray's dashboard, spoken to over HTTP with the cluster's token."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from ssh_machine import closed_port

from ray_remote_nni.cluster.dashboard import Dashboard, JobUnknown
from ray_remote_nni.errors import ClusterError

TOKEN = "the-secret-token"


class FakeDashboard(ThreadingHTTPServer):
    """Answers with what a test puts into `answers`, the last one again and again; remembers what it was asked."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answers: list[tuple[int, str]] = [(200, "{}")]
        self.asked: list[tuple[str, str, dict[str, str], Any]] = []

    @property
    def client(self) -> Dashboard:
        return Dashboard(f"http://127.0.0.1:{self.server_port}", TOKEN)


class _Handler(BaseHTTPRequestHandler):
    server: FakeDashboard

    def _answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.server.asked.append((self.command, self.path, dict(self.headers), json.loads(body) if body else None))
        answers = self.server.answers
        status, text = answers.pop(0) if len(answers) > 1 else answers[0]
        self.send_response(status)
        self.send_header("Content-Length", str(len(text.encode())))
        self.end_headers()
        self.wfile.write(text.encode())

    do_GET = do_POST = _answer

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def ray_dashboard() -> Iterator[FakeDashboard]:
    with FakeDashboard() as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield server
        server.shutdown()


def submit(server: FakeDashboard) -> None:
    asyncio.run(server.client.submit_job("job-1", "python -m driver", {"experiment": "abc"}))


def test_a_job_is_submitted_with_the_token_and_reserves_nothing(ray_dashboard: FakeDashboard) -> None:
    submit(ray_dashboard)
    ((method, path, headers, body),) = ray_dashboard.asked
    assert (method, path) == ("POST", "/api/jobs/")
    assert headers["Authorization"] == f"Bearer {TOKEN}"
    assert (body["submission_id"], body["entrypoint"], body["entrypoint_num_cpus"]) == ("job-1", "python -m driver", 0)


def test_a_job_waits_for_the_agent_that_comes_up_after_the_head(ray_dashboard: FakeDashboard) -> None:
    ray_dashboard.answers = [(500, "No available agent to submit job"), (200, "{}")]
    submit(ray_dashboard)
    assert len(ray_dashboard.asked) == 2


@pytest.mark.parametrize("end", ["\n", "\n.\n\n"])
def test_a_job_that_ray_does_not_take_is_told_by_its_last_words(ray_dashboard: FakeDashboard, end: str) -> None:
    ray_dashboard.answers = [(400, f"Traceback:\nValueError: bad entrypoint{end}")]
    with pytest.raises(ClusterError, match="Ray did not take the job: ValueError: bad entrypoint"):
        submit(ray_dashboard)


def test_what_ray_knows_of_a_job_is_returned(ray_dashboard: FakeDashboard) -> None:
    ray_dashboard.answers = [(200, '{"status": "RUNNING"}')]
    assert asyncio.run(ray_dashboard.client.job("job-1")) == {"status": "RUNNING"}
    assert ray_dashboard.asked[0][1] == "/api/jobs/job-1"


def test_a_job_that_ray_does_not_know_is_told_from_a_dashboard_in_trouble(ray_dashboard: FakeDashboard) -> None:
    ray_dashboard.answers = [(404, "Job job-1 does not exist")]
    with pytest.raises(JobUnknown, match="job-1"):
        asyncio.run(ray_dashboard.client.job("job-1"))


@pytest.mark.parametrize("text", ["<html>", "", "nonsense"])
def test_an_answer_that_is_not_rays_is_a_cluster_error(ray_dashboard: FakeDashboard, text: str) -> None:
    ray_dashboard.answers = [(200, text)]
    with pytest.raises(ClusterError, match="does not answer"):
        asyncio.run(ray_dashboard.client.job("job-1"))


@pytest.mark.parametrize("answer", [b"", b"220 mail.example.org\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{"])
def test_an_answer_that_breaks_off_is_a_cluster_error(answer: bytes) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(answer)

        threading.Thread(target=serve, daemon=True).start()
        with pytest.raises(ClusterError, match="does not answer"):
            asyncio.run(Dashboard(f"http://127.0.0.1:{server.getsockname()[1]}", TOKEN).job("job-1"))


def test_a_dashboard_that_is_not_there_is_told_without_the_token() -> None:
    with pytest.raises(ClusterError, match="does not answer at http://127") as caught:
        asyncio.run(Dashboard(f"http://127.0.0.1:{closed_port()}", TOKEN).job("job-1"))
    assert TOKEN not in str(caught.value)


def test_a_proxy_of_the_users_surroundings_has_no_say(
    ray_dashboard: FakeDashboard, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{closed_port()}")
    assert asyncio.run(ray_dashboard.client.job("job-1")) == {}


@pytest.mark.parametrize("status", [401, 500, 503])
def test_a_dashboard_in_trouble_does_not_say_that_a_job_is_unknown(ray_dashboard: FakeDashboard, status: int) -> None:
    ray_dashboard.answers = [(status, "try again")]
    with pytest.raises(ClusterError, match="try again") as caught:
        asyncio.run(ray_dashboard.client.job("job-1"))
    assert not isinstance(caught.value, JobUnknown)


def test_a_refusal_without_words_is_told_by_its_status(ray_dashboard: FakeDashboard) -> None:
    ray_dashboard.answers = [(403, "\n")]
    with pytest.raises(ClusterError, match="HTTP status 403"):
        submit(ray_dashboard)
