"""The step `content-credentials`: signs a picture with C2PA content credentials, and reads them back."""

from __future__ import annotations

import datetime as dt
import io
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final, cast

import c2pa
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from broker.settings import Settings
from schemas.errors import BadConfig, Poison
from workers.finish.claim import Claim, Ingredient
from workers.finish.development_key import ORGANISATION, KeyFiles, development_key

STEP: Final = "content-credentials"
"""Its name in pipeline.yml."""
MEND: Final = (
    "set PRESSCHECK_C2PA_CERT_FILE and PRESSCHECK_C2PA_KEY_FILE, or take content-credentials out of pipeline.yml;"
    " to try it out, PRESSCHECK_C2PA_DEVELOPMENT_KEY=true"
)
GOOD: Final = frozenset({"Valid", "Trusted"})
"""What c2pa says of credentials that hold: Trusted where their authority is on a list, Valid where it is on none."""
SETTINGS: Final[Mapping[str, Any]] = {
    # A thumbnail adds 380 kB, and shows what the picture shows.
    "builder": {"thumbnail": {"enabled": False}},
    # A client's file may name an address in its own metadata: nothing is fetched from there.
    "verify": {"remote_manifest_fetch": False, "ocsp_fetch": False, "verify_trust": False},
}

Clock = Callable[[], dt.datetime]


@dataclass(frozen=True, slots=True, kw_only=True)
class Signed:
    """A picture with its credentials, read back and found to hold, and what the manifest says of them."""

    data: bytes
    facts: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """What a picture's credentials say: the library's word for whether they hold, who signed, and the manifest."""

    state: str
    signer: str
    manifest: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Signer:
    """Signs with one key (ES256). Several threads may use it at once; its key is in no repr and in no log."""

    subject: str
    ends: dt.datetime
    development: bool
    _chain: bytes = field(repr=False)
    _key: bytes = field(repr=False)
    _now: Clock = field(repr=False)
    _context: c2pa.Context = field(repr=False)

    def sign(self, data: bytes, media_type: str, claim: Claim) -> Signed:
        """The picture, signed. A file that c2pa cannot read is left out of the claim, and a fact says so.

        Raises Poison where it cannot be signed or does not read back, BadConfig where the certificate has ended.
        """
        if self._now() >= self.ends:
            raise BadConfig(f"the signing certificate of {self.subject} ended on {self.ends:%Y-%m-%d}", mend=MEND)
        builder, claim, left_out = self._builder(claim)
        out = io.BytesIO()
        info = c2pa.C2paSignerInfo(b"es256", self._chain, self._key, None)
        try:
            with builder, c2pa.Signer.from_info(info) as signer:
                builder.sign(signer, media_type, io.BytesIO(data), out)
        except c2pa.C2paError as e:
            raise Poison(f"the content credentials could not be signed: {str(e)[:300]}") from e
        signed = out.getvalue()
        read = read_credentials(signed, media_type)
        if read is None or read.state not in GOOD:
            raise Poison(f"the content credentials do not read back: {read.state if read else 'there are none'}")
        kind = "a development key" if self.development else "the configured key"
        facts = {
            STEP: f"signed ES256 with {kind} of {self.subject}, read back: {read.state}",
            f"{STEP}.manifest": str(read.manifest["label"]),
        }
        if claim.ingredients:
            facts[f"{STEP}.ingredients"] = "; ".join(f"{i.title}: {i.relation}" for i in claim.ingredients)
        if left_out:
            facts[f"{STEP}.left_out"] = "; ".join(left_out)
        return Signed(data=signed, facts=facts)

    def _builder(self, claim: Claim) -> tuple[c2pa.Builder, Claim, list[str]]:
        """A builder that holds the claim; the claim without the files that c2pa cannot take; which those are."""
        left_out: list[str] = []
        for ingredient in claim.ingredients:
            try:
                with c2pa.Builder({"claim_generator_info": [{"name": "trial"}]}, self._context) as trial:
                    _add(trial, ingredient)
            except c2pa.C2paError as e:
                left_out.append(f"{ingredient.title}: {str(e)[:120]}")
                claim = replace(claim, ingredients=tuple(i for i in claim.ingredients if i is not ingredient))
        builder = c2pa.Builder(claim.definition(), self._context)
        for ingredient in claim.ingredients:
            _add(builder, ingredient)
        return builder, claim, left_out


def _add(builder: c2pa.Builder, ingredient: Ingredient) -> None:
    said = {"title": ingredient.title, "relationship": ingredient.relation, "instance_id": ingredient.key}
    cast("Any", builder).add_ingredient(said, ingredient.media_type, io.BytesIO(ingredient.data))


def read_credentials(data: bytes, media_type: str) -> Credentials | None:
    """The credentials in a picture; None where it carries none. Raises Poison where they cannot be read."""
    try:
        reader = c2pa.Reader.try_create(media_type, io.BytesIO(data), context=_context())
    except c2pa.C2paError as e:
        raise Poison(f"the content credentials cannot be read: {str(e)[:300]}") from e
    if reader is None:
        return None
    with reader:
        manifest: dict[str, Any] = cast("Any", reader).get_active_manifest() or {}
        state = str(reader.get_validation_state())
    signature = manifest.get("signature_info", {})
    signer = f"{signature.get('common_name', 'nobody')} ({signature.get('issuer', 'unknown')})"
    return Credentials(state=state, signer=signer, manifest=manifest)


def _context() -> c2pa.Context:
    return c2pa.Context(c2pa.Settings.from_json(json.dumps(SETTINGS)))


def _utc_now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)


def signer_of(settings: Settings, now: Clock = _utc_now) -> Signer | None:
    """The signer that the settings name; None where they name none. Makes the development key where they ask for it.

    Raises BadConfig where certificate and key cannot be used.
    """
    cert, key = settings.c2pa_cert_file, settings.c2pa_key_file
    if (cert is None) != (key is None):
        raise BadConfig("PRESSCHECK_C2PA_CERT_FILE and PRESSCHECK_C2PA_KEY_FILE go together", mend="set both or none")
    if cert is not None and key is not None:
        return open_signer(KeyFiles(cert=cert, key=key), now)
    if settings.c2pa_development_key:
        return open_signer(development_key(settings.state_dir, now()), now)
    return None


def open_signer(files: KeyFiles, now: Clock = _utc_now) -> Signer:
    """The signer with a certificate (its chain behind it) and key in PEM. Raises BadConfig where they do not fit."""
    chain, key = _bytes_of(files.cert), _bytes_of(files.key)
    try:
        leaf = x509.load_pem_x509_certificate(chain)
    except ValueError as e:
        raise BadConfig(f"{files.cert} is no certificate in PEM", mend=MEND) from e
    try:
        private = serialization.load_pem_private_key(key, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as e:
        # Whatever the library says, it is not repeated: it is about a private key.
        raise BadConfig(f"{files.key} is no private key in PEM without a password", mend=MEND) from e
    if not isinstance(private, ec.EllipticCurvePrivateKey) or not isinstance(private.curve, ec.SECP256R1):
        raise BadConfig(f"{files.key} is no key for ES256", mend="use an EC key on the curve P-256")
    if private.public_key() != leaf.public_key():
        raise BadConfig(f"{files.key} is not the key of the first certificate in {files.cert}", mend=MEND)
    if now() >= leaf.not_valid_after_utc:
        raise BadConfig(f"the certificate in {files.cert} ended on {leaf.not_valid_after_utc:%Y-%m-%d}", mend=MEND)
    organisation = _attribute(leaf, NameOID.ORGANIZATION_NAME)
    common = _attribute(leaf, NameOID.COMMON_NAME)
    return Signer(
        subject=f"{common} ({organisation})",
        ends=leaf.not_valid_after_utc,
        development=organisation == ORGANISATION,
        _chain=chain,
        _key=key,
        _now=now,
        _context=_context(),
    )


def _attribute(certificate: x509.Certificate, which: x509.ObjectIdentifier) -> str:
    found = certificate.subject.get_attributes_for_oid(which)
    return str(found[0].value) if found else "unnamed"


def _bytes_of(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as e:
        raise BadConfig(f"{path} cannot be read: {e.strerror}", mend=MEND) from e
