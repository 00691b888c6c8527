"""What is typed into the shell of a Windows machine: it starts Python, and tells of what is there without one."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import PureWindowsPath

from ray_remote_nni.cluster.transport import Stream, Transport
from ray_remote_nni.cluster.windows.quoting import for_cmd, for_powershell
from ray_remote_nni.cluster.windows.recognise import WindowsShell
from ray_remote_nni.cluster.windows.relay import RELAY, RelayedStream
from ray_remote_nni.guard.windows.powershell import powershell_text

NO_PYTHON = "no python"
#: Where Pythons are; a name without a folder is looked for on PATH, where the store's may be, which only fails.
_USUAL = (
    "python",
    "py",
    r"~\miniconda3\python.exe",
    r"~\anaconda3\python.exe",
    r"~\miniforge3\python.exe",
    *(rf"~\AppData\Local\Programs\Python\Python3{minor}\python.exe" for minor in (13, 12, 11, 10)),
    r"C:\ProgramData\miniconda3\python.exe",
    r"C:\ProgramData\anaconda3\python.exe",
)


def is_windows_path(path: str) -> bool:
    """Tell whether this is a path of Windows from its root: with a drive, or of a share."""
    return bool(PureWindowsPath(path).drive)


def candidates(python_path: str | None, python: str | None) -> tuple[str, ...]:
    """Return the Pythons to try: in the folder `python_path`, or else `python`, or else the usual ones.

    An environment of conda has python.exe in its folder, one of venv in Scripts below.
    """
    if python_path is not None:
        folder = PureWindowsPath(python_path)
        return str(folder / "python.exe"), str(folder / "Scripts" / "python.exe")
    return _USUAL if python is None else (python,)


def first_python(shell: WindowsShell, tried: Sequence[str], arguments: Sequence[str]) -> str:
    """Return the line that runs the first of these Pythons that does run, or says NO_PYTHON.

    What that Python runs must end with exit code 0, or the next one is tried. A leading ~ is the user's profile. In
    PowerShell it is the relay that is run, which is told of the arguments.
    """
    if shell.kind == "PowerShell":
        places = ", ".join(_in_powershell(path) for path in tried)
        return (
            f"foreach ($python in @({places})) {{ "
            "try { & $python -E -S -c pass 2>$null | Out-Null } catch { continue }; "
            "if ($LASTEXITCODE -eq 0) "
            f"{{ $input | & $python -E -S -c {powershell_text(RELAY)}; exit $LASTEXITCODE }} }}; "
            f"'{NO_PYTHON}'"
        )
    # A Python that ran has read what there is to read, so its own failure must not look like one here.
    words = for_cmd(["", *arguments]).removeprefix('""')
    return " || ".join([*(_in_cmd(path) + words for path in tried), f"echo {NO_PYTHON}"])


def _in_cmd(path: str) -> str:
    if path.startswith("~"):
        # The name of a user may have blanks in it.
        return '"%USERPROFILE%' + for_cmd([path[1:]]).removeprefix('"')
    return for_cmd([path])


def _in_powershell(path: str) -> str:
    if path.startswith("~"):
        return f"($env:USERPROFILE + {powershell_text(path[1:])})"
    return powershell_text(path)


@asynccontextmanager
async def run_first_python(
    transport: Transport, shell: WindowsShell, tried: Sequence[str], arguments: Sequence[str]
) -> AsyncIterator[Stream]:
    """Run the first of these Pythons that does run, with these arguments."""
    async with transport.run(first_python(shell, tried, arguments)) as stream:
        yield await _relayed(stream, ["", *arguments]) if shell.kind == "PowerShell" else stream


@asynccontextmanager
async def run_on_windows(transport: Transport, shell: WindowsShell, argv: Sequence[str]) -> AsyncIterator[Stream]:
    """Run a Python of the machine."""
    if shell.kind == "cmd":
        async with transport.run(for_cmd(argv)) as stream:
            yield stream
    else:
        relay = for_powershell([argv[0], "-E", "-S", "-c", RELAY])
        async with transport.run(f"$input | {relay}; exit $LASTEXITCODE") as stream:
            yield await _relayed(stream, argv)


async def _relayed(stream: Stream, argv: Sequence[str]) -> Stream:
    relayed = RelayedStream(stream)
    await relayed.start(argv)
    return relayed


def list_marks(shell: WindowsShell) -> str:
    """Return the command that prints the marks of all nodes of ours, each on a line."""
    if shell.kind == "cmd":
        clusters = r'"%USERPROFILE%\.ray-nni\clusters\*"'
        return rf'for /d %c in ({clusters}) do @for /d %n in ("%c\*") do @(type "%n\owner.json" 2>nul & echo.)'
    return (
        r"Get-ChildItem ($env:USERPROFILE + '\.ray-nni\clusters\*\*\owner.json') -ErrorAction SilentlyContinue "
        "| ForEach-Object { Get-Content $_.FullName }"
    )


def delete_experiment(shell: WindowsShell, experiment_id: str) -> str:
    """Return the command that deletes an experiment's folder and says at last whether it is gone."""
    if not re.fullmatch(r"\w+", experiment_id):
        raise ValueError(f"{experiment_id!r} is no experiment's")
    folder = rf"\.ray-nni\experiments\{experiment_id}"
    if shell.kind == "cmd":
        place = f'"%USERPROFILE%{folder}"'
        return f"(if exist {place} rmdir /s /q {place} 2>&1) & if not exist {place} echo gone"
    place = f"($env:USERPROFILE + {powershell_text(folder)})"
    return (
        f"$folder = {place}; if (Test-Path $folder) {{ Remove-Item -Recurse -Force $folder 2>&1 }}; "
        "if (-not (Test-Path $folder)) { 'gone' }"
    )
