"""Run on a machine for the client: packs what trials were given, and what they printed and reported."""

from __future__ import annotations

import gzip
import json
import sys
import tarfile

from ray_remote_nni.trial.workspace import experiment_directory

ARCHIVE_MARK = b"\n-- ray-nni archive --\n"
#: What there is of a trial, below its folder.
OUTPUTS = ("stdout", "stderr", "parameter.cfg", ".nni/metrics")


def main() -> None:
    """Read {"experiment", "trials"} from standard input; write ARCHIVE_MARK, then an archive of a folder a trial."""
    asked = json.load(sys.stdin)
    trials = experiment_directory(asked["experiment"]) / "trials"
    # A login shell may have printed something before.
    sys.stdout.buffer.write(ARCHIVE_MARK)
    with (
        gzip.GzipFile(fileobj=sys.stdout.buffer, mode="wb", compresslevel=1) as compressed,
        tarfile.open(fileobj=compressed, mode="w|") as archive,
    ):
        for trial_id in asked["trials"]:
            for name in OUTPUTS:
                file = trials / trial_id / name
                if file.is_file():
                    archive.add(file, arcname=f"{trial_id}/{name}")
