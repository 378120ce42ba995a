"""Signatures of decisions and of anchors, with the signing key of the installation (Ed25519).

A link of the hash chain that holds a decision is msgpack of `SignedBundle`; an anchor is one line of JSON.
"""

from __future__ import annotations

import hashlib

import msgspec

from dissonance.contracts.evidence import canonical, is_canonical
from dissonance.errors import ConfigurationError
from dissonance.security.artefacts import ArtefactKeys
from dissonance.security.signatures import sign, verifies

KIND = "decision"
DECISION_PURPOSE = "dissonance decision 1"
ANCHOR_PURPOSE = "dissonance anchor 1"


class SignedBundle(msgspec.Struct, frozen=True, kw_only=True):
    """`body`: the bundle in canonical bytes; `kind` parts it from the other evidence of a chain."""

    body: bytes
    signature: bytes
    public_key: bytes
    kind: str = KIND

    @property
    def decision_id(self) -> str:
        """SHA-256 of the body, 64 hex digits."""
        return hashlib.sha256(self.body).hexdigest()

    def encoded(self) -> bytes:
        """As the chain holds it."""
        return msgspec.msgpack.encode(self)

    def is_signed_by(self, public_key: bytes) -> bool:
        """Whether who holds that key signed this very body, and the body is canonical."""
        return verifies(public_key, self.signature, DECISION_PURPOSE, self.body) and is_canonical(self.body)


def sign_bundle(body: bytes, keys: ArtefactKeys) -> SignedBundle:
    """Raises `ConfigurationError` in a process without the signing key."""
    return SignedBundle(body=body, signature=sign(_seed(keys), DECISION_PURPOSE, body), public_key=keys.verification)


def open_bundle(evidence: bytes) -> SignedBundle | None:
    """None for evidence of another kind. Nothing is verified."""
    try:
        found = msgspec.msgpack.decode(evidence, type=SignedBundle)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None
    return found if found.kind == KIND else None


class Anchor(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Link `link` of the chain of `task_id` had this `digest`. `number` counts the anchors of the task from 1,
    `previous` is the SHA-256 of the line before (empty before the first one)."""

    task_id: str
    link: int
    digest: str
    number: int
    previous: str
    at_us: int


class _Line(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    anchor: msgspec.Raw
    public_key: str
    signature: str


def anchor_line(anchor: Anchor, keys: ArtefactKeys) -> bytes:
    """One line, without its end. Raises `ConfigurationError` in a process without the signing key."""
    body = canonical(anchor)
    signature = sign(_seed(keys), ANCHOR_PURPOSE, body).hex()
    return msgspec.json.encode(_Line(msgspec.Raw(body), keys.verification.hex(), signature))


def read_anchor(line: bytes, public_key: bytes) -> Anchor | None:
    """None unless the line was signed by who holds that key."""
    try:
        found = msgspec.json.decode(line, type=_Line)
        body = bytes(found.anchor)
        if not verifies(public_key, bytes.fromhex(found.signature), ANCHOR_PURPOSE, body):
            return None
        return msgspec.json.decode(body, type=Anchor)
    except (msgspec.MsgspecError, ValueError):
        return None


def line_digest(line: bytes | None) -> str:
    """SHA-256 of an anchor's line, 64 hex digits; empty where there is none."""
    return "" if line is None else hashlib.sha256(line).hexdigest()


def _seed(keys: ArtefactKeys) -> bytes:
    if keys.signing is None:
        raise ConfigurationError(
            "there is no signing key in this process", where="artefact keys", fix="decide where the signing key is"
        )
    return keys.signing
