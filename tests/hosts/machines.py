"""Real SSH machines for tests, made on this one: `with machines(Spec(), Spec(port=10022), …) as (h1, h2, …)`."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from loopback import loopback_machines
from machine import Process, Spec, TestMachine
from namespaces import namespace_machines

__all__ = ["Process", "Spec", "TestMachine", "machines", "make_client_home"]


@contextlib.contextmanager
def machines(*specs: Spec, shared: Sequence[Path] = (), only_ssh: bool = True) -> Iterator[list[TestMachine]]:
    """Make a machine for each of `specs`; remove all of it at the end.

    As root they are as separate as containers, and as the specs say. Otherwise they are addresses of this
    system with the present user's key as the only login, on free ports. `shared`: folders that must be
    visible there, a Python's say. `only_ssh`: from here, only their SSH ports can be reached (as root).
    """
    if os.geteuid() == 0:
        with namespace_machines(specs, shared, only_ssh) as made:
            yield list(made)
    else:
        with loopback_machines(specs) as on_loopback:
            yield list(on_loopback)


def make_client_home(folder: Path, known: Sequence[TestMachine]) -> Path:
    """Fill `folder` as the home of a user who knows the machines' host keys and has their key in ~/.ssh/id_rsa."""
    ssh = folder / ".ssh"
    ssh.mkdir(mode=0o700)
    (ssh / "known_hosts").write_text("".join(machine.known_hosts_line for machine in known))
    identity = next((machine.identity for machine in known if machine.identity), None)
    if identity:
        (ssh / "id_rsa").write_bytes(identity.read_bytes())
        (ssh / "id_rsa").chmod(0o600)
    return folder
