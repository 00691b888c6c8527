"""The commands that deal with a cluster: up, down, status, dashboard."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from ray_remote_nni.cli.output import ERR, OUT, ask_secret, machine_rows, print_json, say, warn
from ray_remote_nni.cluster.login import has_user
from ray_remote_nni.cluster.lost import stop_lost
from ray_remote_nni.cluster.membership import find_cluster
from ray_remote_nni.cluster.request import request_cluster
from ray_remote_nni.cluster.state import ClusterState, load_state
from ray_remote_nni.config import load_config
from ray_remote_nni.errors import NotFound
from ray_remote_nni.experiment.access import access_cluster, latest_cluster, read_request
from ray_remote_nni.experiment.run import change_cluster, end_cluster
from ray_remote_nni.experiment.status import status_json
from ray_remote_nni.views.tables import print_status
from ray_remote_nni.words import plural

ConfigArgument = Annotated[
    Path | None, typer.Argument(metavar="CONFIG", help="NNI configuration; left out: that of the cluster that is up.")
]
AcceptOption = Annotated[
    bool, typer.Option("--accept-new-host-keys", help="Record host keys of machines that are not known yet.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout.")]


def register(app: typer.Typer) -> None:
    """Add these commands."""
    app.command()(up)
    app.command()(down)
    app.command()(status)
    app.command()(dashboard)


def config_or_latest(config: Path | None) -> Path:
    """Return the configuration that a command means."""
    return config if config is not None else Path(latest_cluster().config)


def up(
    config: ConfigArgument = None,
    accept_new_host_keys: AcceptOption = False,
    allow_partial: Annotated[
        bool, typer.Option("--allow-partial", help="Go on without machines that fail, as long as the head is up.")
    ] = False,
    force: Annotated[
        bool,
        typer.Option(
            "--force",
            help="Take away, or start anew, machines that trials run on, which then run again; forget those that were "
            "taken out of the configuration and cannot be reached.",
        ),
    ] = False,
) -> None:
    """Start the cluster of a configuration's machines; repeat it to add what is missing, or to follow a change."""
    loaded = load_config(config_or_latest(config), has_user=has_user)
    warn(loaded)
    request = request_cluster(loaded.path, loaded.experiment, accept_new_host_keys=accept_new_host_keys, ask=ask_secret)
    changing = change_cluster(request, loaded.experiment, machine_rows(), allow_partial=allow_partial, force=force)
    brought = asyncio.run(changing)
    state = brought.state
    if not brought.started and not brought.left and not brought.without:
        say(f"Cluster {state.name} is up already; nothing to do.")
    else:
        there = len(request.machines) - len(brought.without)
        say(f"Cluster {state.name} is up: {plural(there, 'machine')}.")
    if brought.without:
        say(f"It goes without {', '.join(brought.without)}. Once that is mended: ray-nni up", "yellow")
    say(f"Dashboard: {state.dashboard_url}  (it asks for a token: ray-nni dashboard --token)")
    say("Next: ray-nni run")


def down(
    config: ConfigArgument = None,
    force: Annotated[
        bool,
        typer.Option(
            "--force", help="Forget machines that cannot be reached; with CONFIG, find what a lost state file named."
        ),
    ] = False,
) -> None:
    """Bring the results here, then stop the cluster and nothing else."""
    try:
        state = _cluster_of(config)
    except NotFound:
        if not force or config is None or not config.exists():
            raise
        _down_without_state(config)
        return
    access = access_cluster(state, ask_secret)
    ended = asyncio.run(end_cluster(access, machine_rows(), force=force))
    for entry in ended.stopped:
        say(
            f"Experiment {entry.experiment_id} was running; it is stopped. To go on: ray-nni up {entry.config}, then "
            f"ray-nni resume {entry.experiment_id}"
        )
    say(f"Cluster {state.name} is down.")
    if ended.failed:
        hosts = ", ".join(error.machine for error in ended.failed)
        say(
            f"What was started on {hosts} may still run there. Once that is mended: "
            f"ray-nni down {state.config} --force",
            "yellow",
        )


def _down_without_state(config: Path) -> None:
    found = asyncio.run(stop_lost(read_request(config, ask_secret), machine_rows()))
    if not found:
        raise NotFound(f"Nothing that was started from here for {config} runs on its machines.")
    say(f"Stopped what was left of a cluster of {config}: {plural(found, 'node')}.")


def _cluster_of(config: Path | None) -> ClusterState:
    if config is None:
        return latest_cluster("No cluster is up, so there is none to take down.")
    # A cluster may be named, too: what `status` shows.
    named = load_state(str(config)) if not config.exists() and config.name == str(config) else None
    if named is not None:
        return named
    if not config.exists() and config.name == str(config) and not config.suffix:
        raise NotFound(f"There is no cluster {config}, and no such file. ray-nni status shows the clusters.")
    state = find_cluster(read_request(config))
    if state is None:
        raise NotFound(
            f"No cluster of the machines of {config} is up. Is its state file lost? ray-nni down {config} --force"
        )
    return state


def status(as_json: JsonOption = False) -> None:
    """Show the clusters and the experiments."""
    document = asyncio.run(status_json(ask_secret, lambda text: say(text, "yellow")))
    if as_json:
        print_json(document)
    else:
        print_status(OUT, document)


def dashboard(
    token: Annotated[bool, typer.Option("--token", help="Print the token that the dashboard asks for.")] = False,
) -> None:
    """Print where the Ray dashboard of the cluster is."""
    state = latest_cluster()
    print(state.token if token else state.dashboard_url)
    if not token:
        ERR.print("It asks for a token: ray-nni dashboard --token")
