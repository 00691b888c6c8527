"""The commands that read a configuration and start nothing: check, schema."""

from __future__ import annotations

import asyncio
from enum import Enum
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Group, RenderableType
from rich.text import Text

from ray_remote_nni.cli.cluster import AcceptOption, JsonOption
from ray_remote_nni.cli.output import OUT, ask_secret, print_json, say, say_problem
from ray_remote_nni.cluster.check import CheckedMachine, check_cluster, machine_problems
from ray_remote_nni.cluster.login import has_user
from ray_remote_nni.cluster.request import request_cluster
from ray_remote_nni.config import (
    ConfigInvalid,
    LoadedConfig,
    Problem,
    Section,
    advise,
    json_schema,
    load_config,
    picture,
    to_v2_yaml,
)
from ray_remote_nni.errors import MachineError, UsageError
from ray_remote_nni.experiment.code_files import code_files, holds_password
from ray_remote_nni.experiment.submit import kept_here
from ray_remote_nni.views.layout import Columns, Rows
from ray_remote_nni.views.machines import print_machines
from ray_remote_nni.views.output import show


class Schema(str, Enum):
    """The schemas that a configuration can be converted to."""

    v2 = "v2"


def register(app: typer.Typer) -> None:
    """Add these commands."""
    app.command()(check)
    app.command()(schema)


def check(
    config: Annotated[Path, typer.Argument(metavar="CONFIG", help="NNI configuration.")],
    as_json: JsonOption = False,
    connect: Annotated[
        bool,
        typer.Option("--connect", help="Also log in to all machines: can a cluster be made of them?"),
    ] = False,
    accept_new_host_keys: AcceptOption = False,
    convert: Annotated[
        Schema | None, typer.Option("--convert", help="Print the same experiment in this schema.")
    ] = None,
    with_secrets: Annotated[
        bool, typer.Option("--with-secrets", help="With --convert: keep passwords, which become `ask` otherwise.")
    ] = False,
) -> None:
    """Check a configuration, and show what it will do; without --connect no machine is touched."""
    if convert is not None and (as_json or connect):
        raise UsageError("--convert prints YAML: it does not go together with --json or --connect.")
    loaded, problems = _read(config)
    checked: list[CheckedMachine] = []
    if connect and loaded is not None:
        accept = accept_new_host_keys
        request = request_cluster(loaded.path, loaded.experiment, accept_new_host_keys=accept, ask=ask_secret)
        checked = asyncio.run(check_cluster(request))
        problems += machine_problems(str(config), checked)
    ready = not any(machine.errors for machine in checked)
    if as_json:
        document: dict[str, Any] = {"valid": loaded is not None and ready, "problems": [p.to_json() for p in problems]}
        if loaded is not None:
            document["config"] = loaded.experiment.public_dict()
        if connect:
            document["machines"] = [machine.to_json() for machine in checked]
        print_json(document)
    else:
        if checked:
            print_machines(OUT, [machine.to_json() for machine in checked])
        elif loaded is not None and convert is None:
            show(OUT, Group(*map(_section, picture(loaded.experiment))))
        for problem in problems:
            say_problem(problem)
        machines = f", and its machines are {'ready' if ready else 'not ready'}" if checked else ""
        say(f"{config} is {'not valid' if loaded is None else 'valid'}{machines}.")
    if loaded is None:
        raise typer.Exit(2)
    if not ready:
        raise typer.Exit(MachineError.exit_code)
    if convert is not None:
        print(to_v2_yaml(config, with_secrets=with_secrets, has_user=has_user), end="")


def schema() -> None:
    """Print the JSON Schema of the configuration, for editors."""
    print_json(json_schema())


def _read(config: Path) -> tuple[LoadedConfig | None, list[Problem]]:
    try:
        loaded = load_config(config, has_user=has_user)
    except ConfigInvalid as error:
        return None, error.problems
    directory = loaded.experiment.trial_code_directory.resolve()
    try:
        files = [
            (name, found.stat(follow_symlinks=False).st_size)
            for name, found in code_files(directory, kept_here(loaded))
            if found.is_file(follow_symlinks=False)
        ]
    except OSError:
        # The upload will say so.
        files = []
    secret = [name for name, _ in files if holds_password(directory / name)]
    return loaded, [*loaded.warnings, *advise(loaded, dict(files), secret)]


def _section(section: Section) -> RenderableType:
    rows = [tuple(map(Text, row)) for row in section.rows]
    content: RenderableType
    if section.columns:
        content = Columns(section.columns, rows, indent=2)
    else:
        content = Rows([(row[0], row[1]) for row in rows], indent=2, gap=4)
    return Group(Text(section.title, style="bold"), content, Text(""))
