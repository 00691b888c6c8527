"""The certificates of a cluster with TLS: good for its own nodes at their own addresses, and for nobody else."""

from __future__ import annotations

import socket
import ssl
import threading
from pathlib import Path

import pytest
from machine_values import facts

from ray_remote_nni.cluster.certificates import Certificate, issue, make_authority
from ray_remote_nni.cluster.plan import MachineSettings, plan_cluster


def context(folder: Path, name: str, own: Certificate, authority: Certificate, side: int) -> ssl.SSLContext:
    files = {suffix: folder / f"{name}.{suffix}" for suffix in ("crt", "key")}
    files["crt"].write_text(own.certificate)
    files["key"].write_text(own.key)
    made = ssl.SSLContext(side)
    made.load_verify_locations(cadata=authority.certificate)
    made.verify_mode = ssl.CERT_REQUIRED
    made.load_cert_chain(files["crt"], files["key"])
    return made


def meet(folder: Path, node: Certificate, guest: Certificate, authority: Certificate, address: str) -> bytes:
    """Let a guest call a node at an address, both of them asking for the other's certificate."""
    server = context(folder, "node", node, authority, ssl.PROTOCOL_TLS_SERVER)
    client = context(folder, "guest", guest, authority, ssl.PROTOCOL_TLS_CLIENT)
    near, far = socket.socketpair()

    def serve() -> None:
        try:
            with server.wrap_socket(far, server_side=True) as stream:
                stream.sendall(b"welcome")
        except OSError:
            far.close()

    serving = threading.Thread(target=serve)
    serving.start()
    try:
        with client.wrap_socket(near, server_hostname=address) as stream:
            return stream.recv(100)
    finally:
        near.close()
        serving.join()


@pytest.mark.parametrize("address", ["192.0.2.1", "fd00::1", "127.0.0.1", "localhost", "gpu1"])
def test_nodes_of_one_cluster_trust_one_another(tmp_path: Path, address: str) -> None:
    authority = make_authority("abc123")
    node, guest = issue(authority, ["192.0.2.1", "fd00::1", "gpu1"]), issue(authority, ["192.0.2.2"])
    assert meet(tmp_path, node, guest, authority, address) == b"welcome"


def test_a_node_of_another_cluster_is_a_stranger(tmp_path: Path) -> None:
    authority, other = make_authority("abc123"), make_authority("abc123")
    node, stranger = issue(authority, ["192.0.2.1"]), issue(other, ["192.0.2.2"])
    with pytest.raises((ssl.SSLError, ConnectionError)):
        meet(tmp_path, node, stranger, authority, "192.0.2.1")


def test_a_node_cannot_pass_for_another(tmp_path: Path) -> None:
    authority = make_authority("abc123")
    node, guest = issue(authority, ["192.0.2.1"]), issue(authority, ["192.0.2.2"])
    with pytest.raises(ssl.SSLCertVerificationError):
        meet(tmp_path, node, guest, authority, "192.0.2.3")


@pytest.mark.parametrize(("tls", "said"), [(True, "1"), (False, "0")])
def test_ray_is_told_whether_to_encrypt(tls: bool, said: str) -> None:
    plan = plan_cluster("abc123", [MachineSettings("h")], [facts()], head=0, library="lib", dependencies=None, tls=tls)
    environment = plan.nodes[0].environment
    assert environment["RAY_USE_TLS"] == said
    assert (environment["RAY_TLS_SERVER_KEY"] == f"{plan.nodes[0].directory}/node.key") == tls
