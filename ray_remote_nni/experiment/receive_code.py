"""Run on the head for the client: says what of a code it does not have yet, takes that, and puts the code together."""

from __future__ import annotations

import io
import json
import os
import sys
import zlib
from collections.abc import Iterator

from ray_remote_nni.trial.assembly import Assembly, Parts
from ray_remote_nni.trial.code import has_code, locked
from ray_remote_nni.trial.manifest import read_manifest

_BUFFER_BYTES = 2**20


def main() -> None:
    """Read a manifest, compressed; print {"missing": pieces of the code's files}; read these."""
    os.umask(0o077)
    with open(sys.stdin.fileno(), "rb", closefd=False) as stream:
        manifest = read_manifest(zlib.decompress(stream.read(int(stream.readline()))))
        # Somebody else may be sending the same: one of us does, and the other finds it here.
        with locked(manifest.name):
            assembly = None if has_code(manifest.name) else Assembly(manifest)
            print(json.dumps({"missing": assembly.missing if assembly is not None else []}), flush=True)
            if assembly is not None:
                assembly.receive(Parts(_arriving(stream)))


def _arriving(stream: io.BufferedReader) -> Iterator[memoryview]:
    """Yield what arrives as it does; each part is good until the next."""
    buffer = memoryview(bytearray(_BUFFER_BYTES))
    while size := stream.readinto1(buffer):
        yield buffer[:size]
