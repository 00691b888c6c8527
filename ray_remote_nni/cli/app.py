"""The `ray-nni` command: its subcommands, and how errors end it."""

from __future__ import annotations

import asyncio
import errno
import sys
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from ray_remote_nni import __version__
from ray_remote_nni.cli import change, cluster, configuration, delete, experiment, nnictl, query
from ray_remote_nni.cli.output import Interrupted, say, say_problem
from ray_remote_nni.config import ConfigInvalid
from ray_remote_nni.errors import RayNniError, UsageError


class Commands(TyperGroup):
    """The commands; of one that is interrupted typer itself would say nothing."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command that was typed. Raises Interrupted."""
        try:
            return super().invoke(ctx)
        except (KeyboardInterrupt, asyncio.CancelledError) as error:
            raise Interrupted from error


app = typer.Typer(
    name="ray-nni",
    cls=Commands,
    help="Run NNI remote-mode experiments, unchanged, on a Ray cluster launched over SSH.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
configuration.register(app)
cluster.register(app)
experiment.register(app)
trials = query.register(app)
change.register(app, trials)
delete.register(app)

_DEBUG = False
#: What a home, or a folder for results, does that is full, read-only or somebody else's.
_DISK_TROUBLE = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.ENOTDIR)
_DISK_REMEDY = (
    "What is up, and where results are, is remembered in ~/.ray-nni on this computer: make room there, make it "
    "writable, or set HOME to another folder, for all commands."
)


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
        hint = nnictl.hint_for(sys.argv[1:])
        if hint is not None:
            raise UsageError(hint)
        app()
    except Interrupted as error:
        say(str(error))
        sys.exit(error.exit_code)
    except RayNniError as error:
        if _DEBUG:
            raise
        _explain(error)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        # Before or after the command itself.
        sys.exit(Interrupted.exit_code)
    except Exception as error:
        if _DEBUG:
            raise
        if isinstance(error, OSError) and error.errno in _DISK_TROUBLE:
            say(f"{error.filename or 'A disk of this computer'}: {error.strerror}. {_DISK_REMEDY}", "red")
            sys.exit(UsageError.exit_code)
        say(f"This is a mistake in ray-nni, not in what you did: {type(error).__name__}: {error}", "red")
        say("To report it, run the same again as: ray-nni --debug COMMAND …")
        sys.exit(RayNniError.exit_code)


def _explain(error: RayNniError) -> None:
    if isinstance(error, ConfigInvalid):
        for problem in error.problems:
            say_problem(problem)
        return
    for line in str(error).splitlines():
        say(line, "red")
