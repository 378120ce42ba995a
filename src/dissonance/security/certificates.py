"""Certificates of a local authority: X.509 (RFC 5280) on ECDSA P-256 with SHA-256. Bytes in, bytes out.

What is made is one PEM text, key first, then its certificate: a file that is replaced as a whole never holds a key and
a certificate that do not fit each other.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from dissonance.contracts.times import EPOCH
from dissonance.security.p256 import Token, new_private_key

AUTHORITY_DAYS = 3650
SERVICE_DAYS = 7
"""One that leaks is soon worth nothing: there is no list of revoked ones."""

RENEW_AT = 1 / 3
"""Share of its life after which a certificate is renewed; the rest is time in which renewing may fail."""

EARLY = timedelta(hours=1)
"""A certificate is valid from so long ago: clocks of others may be behind."""

SERIAL_BYTES = 16
SERVER = ExtendedKeyUsageOID.SERVER_AUTH
CLIENT = ExtendedKeyUsageOID.CLIENT_AUTH


def new_authority(now_us: int, token: Token) -> bytes:
    """A key and the certificate that it signs for itself, which may sign those of services and nothing else: PEM."""
    key = new_private_key(token)
    name = _name(f"Dissonance local authority {token(4).hex()}")
    certificate = (
        _builder(name, name, key.public_key(), now_us, AUTHORITY_DAYS, token)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs_certificates=True), critical=True)
        .sign(key, hashes.SHA256())
    )
    return _pem(key, certificate)


def issue(
    authority: bytes,
    name: str,
    addresses: Sequence[str],
    purpose: x509.ObjectIdentifier,
    *,
    now_us: int,
    token: Token,
    days: int = SERVICE_DAYS,
) -> bytes:
    """A new key and a certificate of `authority` for it: PEM.

    `authority`: what `new_authority` gave. `addresses`: DNS names and IP addresses it is valid for. `purpose`:
    `SERVER` or `CLIENT`.
    """
    parent = x509.load_pem_x509_certificate(authority)
    parent_key = load_pem_private_key(authority, None)
    assert isinstance(parent_key, ec.EllipticCurvePrivateKey), "as new_authority made it"
    key = new_private_key(token)
    of_parent = x509.AuthorityKeyIdentifier.from_issuer_public_key(parent_key.public_key())
    builder = (
        _builder(parent.subject, _name(name), key.public_key(), now_us, days, token)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
        .add_extension(of_parent, critical=False)
    )
    if addresses:
        names = x509.SubjectAlternativeName([_general_name(address) for address in addresses])
        builder = builder.add_extension(names, critical=False)
    return _pem(key, builder.sign(parent_key, hashes.SHA256()))


def certificate_of(pem: bytes) -> bytes:
    """The certificate without the key. Raises `ValueError` when there is none."""
    return x509.load_pem_x509_certificate(pem).public_bytes(Encoding.PEM)


def addresses_of(pem: bytes) -> frozenset[str]:
    """DNS names and IP addresses that a certificate is valid for. Raises `ValueError` when there is none."""
    extensions = x509.load_pem_x509_certificate(pem).extensions
    try:
        names = extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return frozenset()
    return frozenset(str(name.value) for name in names)


def is_issued_by(pem: bytes, authority: bytes) -> bool:
    """Whether `authority` signed the certificate in `pem`. Raises `ValueError` when there is none."""
    certificate, parent = x509.load_pem_x509_certificate(pem), x509.load_pem_x509_certificate(authority)
    try:
        certificate.verify_directly_issued_by(parent)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def is_due(pem: bytes, now_us: int) -> bool:
    """Whether a certificate is to be renewed. Raises `ValueError` when there is none.

    >>> from hashlib import shake_256
    >>> def token(size): return shake_256(b"example").digest(size)
    >>> made = issue(new_authority(0, token), "a", ["localhost"], SERVER, now_us=0, token=token, days=3)
    >>> [is_due(made, hours * 3_600_000_000) for hours in (0, 23, 25, 100)]
    [False, False, True, True]
    """
    begins_us, ends_us = validity_of(pem)
    return now_us >= begins_us + (ends_us - begins_us) * RENEW_AT


def validity_of(pem: bytes) -> tuple[int, int]:
    """First and last moment of a certificate, in microseconds since 1970. Raises `ValueError` when there is none."""
    certificate = x509.load_pem_x509_certificate(pem)
    moment = timedelta(microseconds=1)
    return (certificate.not_valid_before_utc - EPOCH) // moment, (certificate.not_valid_after_utc - EPOCH) // moment


def _builder(
    issuer: x509.Name,
    subject: x509.Name,
    key: ec.EllipticCurvePublicKey,
    now_us: int,
    days: int,
    token: Token,
) -> x509.CertificateBuilder:
    now: datetime = EPOCH + timedelta(microseconds=now_us)
    return (
        x509.CertificateBuilder()
        .issuer_name(issuer)
        .subject_name(subject)
        .public_key(key)
        # One more, since it must not be zero (RFC 5280, 4.1.2.2).
        .serial_number(int.from_bytes(token(SERIAL_BYTES), "big") + 1)
        .not_valid_before(now - EARLY)
        .not_valid_after(now + timedelta(days=days))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _general_name(address: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(address))
    except ValueError:
        return x509.DNSName(address)


def _pem(key: ec.EllipticCurvePrivateKey, certificate: x509.Certificate) -> bytes:
    secret = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return secret + certificate.public_bytes(Encoding.PEM)
