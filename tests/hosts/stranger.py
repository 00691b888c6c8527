"""What somebody without the token does to a cluster: run on a host of its network, with that host's Python and Ray.

    stranger.py ADDRESS GCS_ADDRESS PORT...

Prints a JSON object: under "services" what each port says, without a token and with another one; under "joins" what
`ray.init` says.
"""

from __future__ import annotations

import importlib
import json
import os
import pkgutil
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable

import grpc
import ray.core.generated as generated

OTHER_TOKEN = "00" * 32
JOIN = "import ray, sys; ray.init(sys.argv[1], logging_level='ERROR'); print('joined', ray.cluster_resources())"
PATHS = ("/", "/api/jobs/", "/api/job_agent/jobs/", "/logs", "/metrics", "/api/v0/tasks", "/nodes?view=summary")


def all_methods() -> list[str]:
    """All methods of Ray's gRPC services; of the object manager's there is no Python code."""
    found = {f"/ray.rpc.ObjectManagerService/{name}" for name in ("Push", "Pull")}

    class Channel:
        def __getattr__(self, kind: str) -> Callable[..., None]:
            return lambda path, *_, **__: found.add(path)

    for info in pkgutil.iter_modules(generated.__path__):
        if info.name.endswith("_pb2_grpc"):
            for name, stub in vars(importlib.import_module(f"ray.core.generated.{info.name}")).items():
                if name.endswith("Stub"):
                    stub(Channel())
    return sorted(found)


def calls(address: str, methods: list[str], token: str | None) -> set[str]:
    """The answers to calls of these methods: gRPC's codes, and the path of each that was obeyed."""
    said = set()
    with grpc.insecure_channel(address) as channel:
        for path in methods:
            try:
                channel.unary_unary(path)(
                    b"", metadata=[("authorization", f"Bearer {token}")] if token else [], timeout=20
                )
                said.add(path)
            except grpc.RpcError as error:
                said.add(error.code().name)
                if error.code() == grpc.StatusCode.UNAVAILABLE:
                    break
    return said


def gets(address: str, token: str | None) -> set[str]:
    """The answers to HTTP requests: statuses, and the path of each that was served."""
    said = set()
    for path in PATHS:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        try:
            with urllib.request.urlopen(
                urllib.request.Request(f"http://{address}{path}", headers=headers), timeout=20
            ) as answer:
                said.add(f"{path} {answer.status}")
        except urllib.error.HTTPError as error:
            said.add(str(error.code))
        except OSError as error:
            said.add(str(error))
    return said


def main() -> None:
    address, gcs_address, *ports = sys.argv[1:]
    joins = [
        subprocess.Popen(
            [sys.executable, "-c", JOIN, gcs_address],
            # Two tries are as good as the twenty that Ray makes, a second each.
            env={**os.environ, **way, "RAY_NUM_REDIS_GET_RETRIES": "2"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for way in ({"RAY_AUTH_MODE": "disabled"}, {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": OTHER_TOKEN})
    ]
    methods = all_methods()
    services = {}
    for port in ports:
        place = f"{address}:{port}"
        said = [calls(place, methods, token) for token in (None, OTHER_TOKEN)]
        if said[0] == {"UNAVAILABLE"}:
            said = [gets(place, token) for token in (None, OTHER_TOKEN)]
        services[port] = [sorted(answers) for answers in said]
    print(json.dumps({"services": services, "joins": [join.communicate()[0] for join in joins]}))


main()
