"""The `ray-nni` command: its subcommands, and how errors end it."""

from __future__ import annotations

import asyncio
import sys
from typing import Annotated

import typer

from ray_remote_nni import __version__
from ray_remote_nni.cli import cluster, experiment, query
from ray_remote_nni.cli.output import ERR, INTERRUPTED
from ray_remote_nni.config import ConfigInvalid
from ray_remote_nni.errors import RayNniError

app = typer.Typer(
    name="ray-nni",
    help="Run NNI remote-mode experiments, unchanged, on a Ray cluster launched over SSH.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
cluster.register(app)
experiment.register(app)
query.register(app)

_DEBUG = False


@app.callback(invoke_without_command=True)
def _options(
    context: typer.Context,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
    version: Annotated[bool, typer.Option("--version", help="Show the version and exit.")] = False,
) -> None:
    global _DEBUG
    _DEBUG = debug
    if version:
        print(__version__)
        raise typer.Exit


def main() -> None:
    """Run the command line; the exit code is as the contract lists it."""
    try:
        app()
    except RayNniError as error:
        if _DEBUG:
            raise
        _explain(error)
        sys.exit(error.exit_code)
    except (KeyboardInterrupt, asyncio.CancelledError):
        ERR.print("Interrupted.")
        sys.exit(INTERRUPTED)


def _explain(error: RayNniError) -> None:
    if isinstance(error, ConfigInvalid):
        for problem in error.problems:
            ERR.print(
                f"{problem.level}: {problem}", style="red" if problem.level == "error" else "yellow", markup=False
            )
        return
    for line in str(error).splitlines():
        ERR.print(line, style="red", markup=False, highlight=False, soft_wrap=True)
