"""Run on the head for the client: says which files of a code it does not have yet, takes them, and puts it together."""

from __future__ import annotations

import json
import os
import sys
import zlib

from ray_remote_nni.trial.code import has_code, locked, missing_files, receive_code
from ray_remote_nni.trial.manifest import read_manifest


def main() -> None:
    """Read a compressed manifest after its length; print {"missing": digests}; read those files' contents."""
    os.umask(0o077)
    stream = sys.stdin.buffer
    manifest = read_manifest(zlib.decompress(stream.read(int(stream.readline()))))
    # Somebody else may be sending the same: one of us does, and the other finds it here.
    with locked(manifest.name):
        missing = [] if has_code(manifest.name) else missing_files(manifest)
        print(json.dumps({"missing": missing}), flush=True)
        if not has_code(manifest.name):
            receive_code(manifest, missing, stream)
