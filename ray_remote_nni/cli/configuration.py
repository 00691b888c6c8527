"""The commands that read a configuration and touch no machine: check, schema."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from ray_remote_nni.cli.cluster import JsonOption
from ray_remote_nni.cli.output import print_json, say, say_problem
from ray_remote_nni.config import ConfigInvalid, Problem, json_schema, load_config, to_v2_yaml
from ray_remote_nni.errors import UsageError


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
    convert: Annotated[
        Schema | None, typer.Option("--convert", help="Print the same experiment in this schema.")
    ] = None,
    with_secrets: Annotated[
        bool, typer.Option("--with-secrets", help="With --convert: keep passwords, which become `ask` otherwise.")
    ] = False,
) -> None:
    """Check a configuration without touching a machine."""
    if convert is not None and as_json:
        raise UsageError("--convert prints YAML: it does not go together with --json.")
    problems, valid = _problems(config)
    if as_json:
        print_json({"valid": valid, "problems": [problem.to_json() for problem in problems]})
    else:
        for problem in problems:
            say_problem(problem)
        say(f"{config} is {'valid' if valid else 'not valid'}.")
    if not valid:
        raise typer.Exit(2)
    if convert is not None:
        print(to_v2_yaml(config, with_secrets=with_secrets), end="")


def schema() -> None:
    """Print the JSON Schema of the configuration, for editors."""
    print_json(json_schema())


def _problems(config: Path) -> tuple[list[Problem], bool]:
    try:
        return list(load_config(config).warnings), True
    except ConfigInvalid as error:
        return error.problems, False
