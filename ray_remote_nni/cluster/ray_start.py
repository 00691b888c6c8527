"""The `ray start` of one node: its arguments and its environment."""

from __future__ import annotations

import json
from collections.abc import Sequence

from ray_remote_nni.cluster.ports import NodePorts
from ray_remote_nni.cluster.resources import MACHINE_LABEL, node_resources

#: Ray's own minimum is 75 MiB; trials keep their data in files, so this is for code and messages only.
OBJECT_STORE_BYTES = 80 * 1024 * 1024
#: Ray there joins no others unless told to; it is in beta.
_ON_WINDOWS = {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "1", "PYTHONUTF8": "1"}
#: Secret files in a node's folder.
TOKEN_FILE, AUTHORITY_FILE, CERTIFICATE_FILE, KEY_FILE = "token", "authority.crt", "node.crt", "node.key"


def ray_arguments(
    index: int,
    ports: NodePorts,
    *,
    address: str,
    temp_dir: str,
    gpus: Sequence[int],
    gcs_address: str,
    is_head: bool,
) -> tuple[str, ...]:
    """Return the arguments of `ray start` for node `index`; `gcs_address` is the head's."""
    first_worker, last_worker = ports.workers or (0, 0)
    arguments = [
        f"--node-ip-address={address}",
        f"--temp-dir={temp_dir}",
        f"--object-store-memory={OBJECT_STORE_BYTES}",
        f"--num-gpus={len(gpus)}",
        f"--resources={json.dumps(node_resources(index, gpus))}",
        f"--labels={MACHINE_LABEL}={index}",
        f"--node-manager-port={ports.node_manager}",
        f"--object-manager-port={ports.object_manager}",
        f"--dashboard-agent-listen-port={ports.agent}",
        f"--dashboard-agent-grpc-port={ports.agent_grpc}",
        f"--runtime-env-agent-port={ports.runtime_env_agent}",
        f"--metrics-export-port={ports.metrics}",
        f"--min-worker-port={first_worker}",
        f"--max-worker-port={last_worker}",
        "--disable-usage-stats",
        "--include-log-monitor=False",
    ]
    if is_head:
        return (
            "--head",
            f"--port={ports.gcs}",
            "--dashboard-host=127.0.0.1",
            f"--dashboard-port={ports.dashboard}",
            "--no-monitor",
            # Left out, Ray starts without one where it fails, and says so to nobody.
            "--include-dashboard=True",
            *arguments,
        )
    return (f"--address={gcs_address}", *arguments)


def node_environment(
    cluster: str,
    label: str,
    *,
    directory: str,
    guard_socket: str,
    tmpdir: str,
    gpus: Sequence[int],
    gpu_indices: Sequence[int] | None,
    python_path: str | None,
    libraries: Sequence[str],
    tls: bool,
    windows: bool = False,
) -> dict[str, str | None]:
    """Return the variables of Ray's processes on a node, and of our code in them; None: it must not be set.

    `label` is what the machine is called, `directory` the node's folder, `tmpdir` that of its passing files,
    `libraries` the folders of the code that it needs, `gpus` are those that it offers, `gpu_indices` and `python_path`
    what the configuration says.
    """
    return {
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN_PATH": f"{directory}/{TOKEN_FILE}",
        "RAY_USE_TLS": "1" if tls else "0",
        "RAY_TLS_CA_CERT": f"{directory}/{AUTHORITY_FILE}" if tls else None,
        "RAY_TLS_SERVER_CERT": f"{directory}/{CERTIFICATE_FILE}" if tls else None,
        "RAY_TLS_SERVER_KEY": f"{directory}/{KEY_FILE}" if tls else None,
        "RAY_USAGE_STATS_ENABLED": "0",
        # Nodes may differ in the patch version of Python.
        "RAY_DEFAULT_PYTHON_VERSION_MATCH_LEVEL": "minor",
        # No Ray client server, no metrics exporters: their ports answer without the token.
        "RAY_START_HOOK": "ray_remote_nni.cluster.remote.start_hook.without_client_server",
        "RAY_enable_metrics_collection": "0",
        "DASHBOARD_METRIC_PORT": "-1",
        # Ray's workers only start trials and wait for them; they must not queue up behind those that run.
        "RAY_worker_niceness": "0",
        # It would end trials, in their workers' stead, on a machine whose memory others fill.
        "RAY_memory_monitor_refresh_ms": "0",
        # A machine is given up when it does not answer for half a minute (four times 3 + 5 s), not a whole one.
        "RAY_health_check_timeout_ms": "5000",
        "RAY_health_check_failure_threshold": "4",
        # Trials need a worker each, whatever the number of CPUs: none is started before it is needed.
        "RAY_enable_worker_prestart": "0",
        "RAY_prestart_worker_first_driver": "0",
        # A worker that waits for its next trial is not to be replaced by a new one, which costs a second.
        "RAY_idle_worker_killing_time_threshold_ms": "10000",
        "PYTHONPATH": (";" if windows else ":").join(libraries),
        "TMPDIR": tmpdir,
        **(_ON_WINDOWS | {"TEMP": tmpdir, "TMP": tmpdir} if windows else {}),
        "CUDA_VISIBLE_DEVICES": ",".join(map(str, gpus)),
        # A trial may use thirds of several GPUs, which Ray's whole ones do not allow; which GPUs, we decide.
        "RAY_predefined_unit_instance_resources": "",
        "RAY_NNI_CLUSTER": cluster,
        "RAY_NNI_HOST": label,
        "RAY_NNI_GUARD": guard_socket,
        "RAY_NNI_GPU_INDICES": None if gpu_indices is None else ",".join(map(str, gpu_indices)),
        "RAY_NNI_PYTHON_PATH": python_path,
    }
