"""Signatures of decisions, of erasures and of anchors, with the signing key of the installation (Ed25519).

A link of the hash chain that holds a decision is msgpack of `SignedBundle`; an anchor is one line of JSON, and so is
the note of an erasure that is kept outside the databases.
"""

from __future__ import annotations

import hashlib
from typing import TypeVar

import msgspec

from dissonance.contracts.evidence import canonical, is_canonical
from dissonance.contracts.unreadable import UNREADABLE
from dissonance.errors import ConfigurationError
from dissonance.security.artefacts import ArtefactKeys
from dissonance.security.signatures import sign, verifies

T = TypeVar("T", bound=msgspec.Struct)

KIND = "decision"
ERASURE = "erasure"
DECISION_PURPOSE = "dissonance decision 1"
ERASURE_PURPOSE = "dissonance erasure 1"
PURPOSES = {KIND: DECISION_PURPOSE, ERASURE: ERASURE_PURPOSE}
"""What a bundle of each kind is signed for, so that one cannot stand in for another."""

ANCHOR_PURPOSE = "dissonance anchor 1"
NOTE_PURPOSE = "dissonance erasure note 1"


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
        purpose = PURPOSES.get(self.kind, "")
        return verifies(public_key, self.signature, purpose, self.body) and is_canonical(self.body)


def sign_bundle(body: bytes, keys: ArtefactKeys, kind: str = KIND) -> SignedBundle:
    """Raises `ConfigurationError` in a process without the signing key."""
    signature = sign(_seed(keys), PURPOSES[kind], body)
    return SignedBundle(body=body, signature=signature, public_key=keys.verification, kind=kind)


def open_bundle(evidence: bytes, kind: str = KIND) -> SignedBundle | None:
    """None for evidence of another kind. Nothing is verified."""
    try:
        found = msgspec.msgpack.decode(evidence, type=SignedBundle)
    except UNREADABLE:
        return None
    return found if found.kind == kind else None


class Anchor(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Link `link` of the chain of `task_id` had this `digest`. `number` counts the anchors of the task from 1,
    `previous` is the SHA-256 of the line before (empty before the first one)."""

    task_id: str
    link: int
    digest: str
    number: int
    previous: str
    at_us: int


class ErasureNote(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The key of `data_subject` (its keyed hash, 32 hex digits) in `task_id` was destroyed."""

    task_id: str
    data_subject: str
    erased_at_us: int


class _Line(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    anchor: msgspec.Raw
    public_key: str
    signature: str


def anchor_line(anchor: Anchor, keys: ArtefactKeys) -> bytes:
    """One line, without its end. Raises `ConfigurationError` in a process without the signing key."""
    return _line(anchor, ANCHOR_PURPOSE, keys)


def read_anchor(line: bytes, public_key: bytes) -> Anchor | None:
    """None unless the line was signed by who holds that key."""
    return _read(line, Anchor, ANCHOR_PURPOSE, public_key)


def note_line(note: ErasureNote, keys: ArtefactKeys) -> bytes:
    """As `anchor_line`."""
    return _line(note, NOTE_PURPOSE, keys)


def read_note(line: bytes, public_key: bytes) -> ErasureNote | None:
    """None unless the line was signed by who holds that key."""
    return _read(line, ErasureNote, NOTE_PURPOSE, public_key)


def line_digest(line: bytes | None) -> str:
    """SHA-256 of an anchor's line, 64 hex digits; empty where there is none."""
    return "" if line is None else hashlib.sha256(line).hexdigest()


def _line(what: msgspec.Struct, purpose: str, keys: ArtefactKeys) -> bytes:
    body = canonical(what)
    signature = sign(_seed(keys), purpose, body).hex()
    return msgspec.json.encode(_Line(msgspec.Raw(body), keys.verification.hex(), signature))


def _read(line: bytes, kind: type[T], purpose: str, public_key: bytes) -> T | None:
    try:
        found = msgspec.json.decode(line, type=_Line)
        body = bytes(found.anchor)
        if not verifies(public_key, bytes.fromhex(found.signature), purpose, body):
            return None
        return msgspec.json.decode(body, type=kind)
    except (ValueError, *UNREADABLE):
        return None


def _seed(keys: ArtefactKeys) -> bytes:
    if keys.signing is None:
        raise ConfigurationError(
            "there is no signing key in this process", where="artefact keys", fix="decide where the signing key is"
        )
    return keys.signing
