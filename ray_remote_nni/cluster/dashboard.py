"""Ray's dashboard as an HTTP service: its Jobs API, spoken with the cluster's token."""

from __future__ import annotations

import asyncio
import http.client
import json
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from typing import Any

from ray_remote_nni.errors import ClusterError

_TIMEOUT_S = 20.0
#: The agent that runs jobs comes up a little after the rest of the head.
_AGENT_PATIENCE_S = 60.0


class JobUnknown(ClusterError):
    """Ray has no job of this id: its head was started anew."""


@dataclass(frozen=True)
class Dashboard:
    """The dashboard behind a loopback URL; the token is never part of a message."""

    url: str
    token: str

    async def submit_job(self, job_id: str, entrypoint: str, metadata: dict[str, str]) -> None:
        """Run a command on the head as a Ray job that reserves nothing. Raises ClusterError."""
        body = {
            "submission_id": job_id,
            "entrypoint": entrypoint,
            "entrypoint_num_cpus": 0,
            "metadata": metadata,
            "runtime_env": {},
        }
        deadline = time.monotonic() + _AGENT_PATIENCE_S
        while True:
            try:
                await self._call("POST", "/api/jobs/", body)
                return
            except _Refused as error:
                starting = error.status == 500 and "agent" in error.text.lower()
                if not starting or time.monotonic() > deadline:
                    raise ClusterError(f"Ray did not take the job: {_last_words(error.text)}") from error
            await asyncio.sleep(0.2)

    async def job(self, job_id: str) -> dict[str, Any]:
        """Return what Ray knows of a job: `status`, `message`, ... Raises JobUnknown, ClusterError."""
        try:
            known: dict[str, Any] = await self._call("GET", f"/api/jobs/{job_id}")
        except _Refused as error:
            if error.status == 404:
                raise JobUnknown(f"Ray does not know the job {job_id}.") from error
            raise ClusterError(f"Ray's dashboard does not tell of the job {job_id}: {error.text}") from error
        return known

    async def _call(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        return await asyncio.to_thread(self._call_now, method, path, body)

    def _call_now(self, method: str, path: str, body: dict[str, Any] | None) -> Any:
        request = urllib.request.Request(
            self.url + path,
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"},
        )
        # No proxy of the user's surroundings has a say in what is on loopback.
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(request, timeout=_TIMEOUT_S) as answer:
                return json.loads(answer.read())
        except urllib.error.HTTPError as error:
            raise _Refused(error.code, error.read().decode(errors="replace")) from error
        except (OSError, ValueError, http.client.HTTPException) as error:
            raise ClusterError(f"Ray's dashboard does not answer at {self.url}: {error}") from error


def _last_words(text: str) -> str:
    """Return the last line that says something: most of the rest is a traceback."""
    lines = [line.strip() for line in text.splitlines() if any(letter.isalnum() for letter in line)]
    return lines[-1] if lines else "it does not say why"


class _Refused(Exception):
    def __init__(self, status: int, text: str) -> None:
        self.status = status
        self.text = text.strip() or f"HTTP status {status}"
        super().__init__(self.text)
