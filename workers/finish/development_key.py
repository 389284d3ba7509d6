"""A key to sign with on one's own machine: a small authority and a certificate that say they are for development."""

from __future__ import annotations

import datetime as dt
import fcntl
import os
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

FOLDER: Final = "credentials"
"""In the state folder."""
ORGANISATION: Final = "Presscheck development"
"""In the certificate's subject: whoever reads a picture's credentials sees that nobody vouches for them."""
VALID: Final = dt.timedelta(days=365)
RENEW: Final = dt.timedelta(days=30)
"""A key that ends sooner than this is replaced by a new one."""
_CERT: Final = "certificate.pem"
_KEY: Final = "key.pem"


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyFiles:
    """PEM files: the certificate with its authority's behind it, and its private key."""

    cert: Path
    key: Path


def development_key(state_dir: Path, now: dt.datetime) -> KeyFiles:
    """The development key of a state folder, made where none is sound and lasts; `now` bears a time zone.

    Processes that make or replace it at once all get the first one's.
    """
    folder = state_dir / FOLDER
    files = KeyFiles(cert=folder / _CERT, key=folder / _KEY)
    state_dir.mkdir(parents=True, exist_ok=True)
    with _alone(state_dir):
        if _lasts(files, now):
            return files
        with tempfile.TemporaryDirectory(prefix=f".{FOLDER}.", dir=state_dir) as scratch:
            part = Path(scratch) / FOLDER
            part.mkdir(mode=0o700)
            chain, key = _made(now)
            (part / _CERT).write_bytes(chain)
            with os.fdopen(os.open(part / _KEY, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                file.write(key)
            if folder.exists():
                folder.rename(Path(scratch) / "former")
            part.rename(folder)
    return files


@contextmanager
def _alone(folder: Path) -> Generator[None]:
    """Held by one process or thread at a time; it goes with the process, however it ends."""
    handle = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _lasts(files: KeyFiles, now: dt.datetime) -> bool:
    if not (files.cert.is_file() and files.key.is_file()):
        return False
    try:
        certificate = x509.load_pem_x509_certificate(files.cert.read_bytes())
        serialization.load_pem_private_key(files.key.read_bytes(), password=None)
    except (ValueError, TypeError):
        return False
    return certificate.not_valid_after_utc - now > RENEW


def _made(now: dt.datetime) -> tuple[bytes, bytes]:
    """Certificate chain and private key, PEM. The authority's own key is dropped: it signs this once.

    C2PA 2.2, 14.5.1: a signing certificate states digitalSignature and an extended use, and is no authority itself.
    """
    authority, own = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    root = (
        _started("Presscheck development authority", "Presscheck development authority", authority.public_key(), now)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_use(signs_certificates=True), critical=True)
        .sign(authority, hashes.SHA256())
    )
    issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(authority.public_key())
    leaf = (
        _started("Presscheck development key", "Presscheck development authority", own.public_key(), now)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_use(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION]), critical=True)
        .add_extension(issuer, critical=False)
        .sign(authority, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    key = own.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return leaf.public_bytes(pem) + root.public_bytes(pem), key


def _started(subject: str, issuer: str, key: ec.EllipticCurvePublicKey, now: dt.datetime) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(_name(subject))
        .issuer_name(_name(issuer))
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + VALID)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )


def _name(common: str) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, ORGANISATION),
            x509.NameAttribute(NameOID.COMMON_NAME, common),
        ]
    )


def _use(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )
