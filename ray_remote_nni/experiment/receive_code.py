"""Run on the head for the client: says which files of a code it does not have yet, takes them, and puts it together."""

from __future__ import annotations

import io
import json
import os
import sys
import zlib
from collections.abc import Iterator

from ray_remote_nni.trial.assembly import Parts, begun_files, missing_files, receive_code
from ray_remote_nni.trial.code import has_code, locked
from ray_remote_nni.trial.manifest import read_manifest

_BUFFER_BYTES = 2**20


def main() -> None:
    """Read a manifest, compressed; print {"missing": digests, "begun": bytes by digest}; read what is not there."""
    os.umask(0o077)
    with open(sys.stdin.fileno(), "rb", closefd=False) as stream:
        manifest = read_manifest(zlib.decompress(stream.read(int(stream.readline()))))
        # Somebody else may be sending the same: one of us does, and the other finds it here.
        with locked(manifest.name):
            missing = [] if has_code(manifest.name) else missing_files(manifest)
            begun = begun_files(manifest, missing)
            print(json.dumps({"missing": missing, "begun": begun}), flush=True)
            if not has_code(manifest.name):
                receive_code(manifest, missing, Parts(_arriving(stream)), begun)


def _arriving(stream: io.BufferedReader) -> Iterator[memoryview]:
    """Yield what arrives as it does; each part is good until the next."""
    buffer = memoryview(bytearray(_BUFFER_BYTES))
    while size := stream.readinto1(buffer):
        yield buffer[:size]
