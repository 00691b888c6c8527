"""A certificate authority for each cluster with `tls: true`, and a certificate for each of its nodes.

Ray's nodes then show one another their certificates, both ways: who has none of this authority's is refused.
"""

from __future__ import annotations

import datetime
import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import NameOID

#: Longer than any cluster is up; the machines' clocks may be behind ours, by days where nobody sets them.
_VALID, _EARLIER = datetime.timedelta(days=3650), datetime.timedelta(days=7)


@dataclass(frozen=True)
class Certificate:
    """A certificate and its private key, in PEM."""

    certificate: str
    key: str


def make_authority(cluster: str) -> Certificate:
    """Return a new authority, which signs for the nodes of one cluster."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = _named(f"ray-nni {cluster}")
    builder = _builder(name, name, key.public_key()).add_extension(
        x509.BasicConstraints(ca=True, path_length=0), critical=True
    )
    return _pair(builder.sign(key, SHA256()), key)


def issue(authority: Certificate, addresses: Iterable[str]) -> Certificate:
    """Return a certificate for a node that others reach at these addresses, and itself at loopback's."""
    signer = load_pem_private_key(authority.key.encode(), None)
    assert isinstance(signer, ec.EllipticCurvePrivateKey)
    issuer = x509.load_pem_x509_certificate(authority.certificate.encode()).subject
    key = ec.generate_private_key(ec.SECP256R1())
    names = dict.fromkeys(["localhost", "127.0.0.1", "::1", *addresses])
    builder = _builder(_named("node"), issuer, key.public_key()).add_extension(
        x509.SubjectAlternativeName([_general(name) for name in names]), critical=False
    )
    return _pair(builder.sign(signer, SHA256()), key)


def _builder(subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.timezone.utc)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _EARLIER)
        .not_valid_after(now + _VALID)
    )


def _named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _general(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _pair(certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> Certificate:
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return Certificate(certificate.public_bytes(Encoding.PEM).decode(), private.decode())
