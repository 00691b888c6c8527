"""Run on a machine for the client: packs what trials were given, and what they printed and reported."""

from __future__ import annotations

import gzip
import json
import sys
import tarfile
from pathlib import Path

from ray_remote_nni.trial.workspace import experiment_directory

ARCHIVE_MARK = b"\n-- ray-nni archive --\n"
#: What there is of a trial, below its folder.
OUTPUTS = ("stdout", "stderr", "parameter.cfg", ".nni/metrics")


def main() -> None:
    """Read {"experiment", "trials"} from standard input; write ARCHIVE_MARK, then an archive of a folder a trial.

    A trial may have closed its files even to us. It is left out, and told of with an exit code when the rest is sent.
    """
    asked = json.load(sys.stdin)
    trials = experiment_directory(asked["experiment"]) / "trials"
    closed = []
    # A login shell may have printed something before.
    sys.stdout.buffer.write(ARCHIVE_MARK)
    with (
        gzip.GzipFile(fileobj=sys.stdout.buffer, mode="wb", compresslevel=1) as compressed,
        tarfile.open(fileobj=compressed, mode="w|") as archive,
    ):
        for trial_id in asked["trials"]:
            try:
                files = [name for name in OUTPUTS if _is_readable(trials / trial_id / name)]
            except PermissionError as error:
                closed.append(f"{error.filename}: {error.strerror}")
                continue
            for name in files:
                archive.add(trials / trial_id / name, arcname=f"{trial_id}/{name}")
    if closed:
        sys.exit("; ".join(closed))


def _is_readable(file: Path) -> bool:
    """Tell whether there is such a file. Raises PermissionError where we may not read it."""
    if not file.is_file():
        return False
    with file.open("rb"):
        return True
