"""Signatures of decisions and anchors: of whom, over what, and of which kind."""

from __future__ import annotations

import msgspec
import pytest
from msgspec.structs import replace

from dissonance.contracts.evidence import canonical
from dissonance.errors import ConfigurationError
from dissonance.security.artefacts import ArtefactKeys
from dissonance.security.evidence import (
    ANCHOR_PURPOSE,
    Anchor,
    anchor_line,
    line_digest,
    open_bundle,
    read_anchor,
    sign_bundle,
)
from dissonance.security.signatures import sign
from support.evidence import FOREIGN_KEYS, KEYS

BODY = canonical({"what": "a decision"})
ANCHOR = Anchor(task_id="a" * 32, link=1, digest="b" * 64, number=1, previous="", at_us=0)
READING_ONLY = ArtefactKeys(sealing=KEYS.sealing, verification=KEYS.verification, model_key=KEYS.model_key)


def test_a_signed_body_is_opened_as_it_was_and_is_of_whoever_signed_it() -> None:
    found = open_bundle(sign_bundle(BODY, KEYS).encoded())
    assert found is not None
    assert found.body == BODY
    assert found.is_signed_by(KEYS.verification)
    assert not found.is_signed_by(FOREIGN_KEYS.verification)
    assert not replace(found, body=canonical({"what": "another"})).is_signed_by(KEYS.verification)


def test_a_signature_for_another_purpose_is_worth_nothing() -> None:
    assert KEYS.signing is not None
    found = replace(sign_bundle(BODY, KEYS), signature=sign(KEYS.signing, ANCHOR_PURPOSE, BODY))
    assert not found.is_signed_by(KEYS.verification)


@pytest.mark.parametrize("evidence", [b"", b"numbers", msgspec.msgpack.encode({"kind": "update"})])
def test_evidence_of_another_kind_is_no_decision(evidence: bytes) -> None:
    assert open_bundle(evidence) is None
    assert open_bundle(replace(sign_bundle(BODY, KEYS), kind="inputs").encoded()) is None


def test_an_anchor_is_one_line_that_is_read_by_who_knows_the_key() -> None:
    line = anchor_line(ANCHOR, KEYS)
    assert b"\n" not in line
    assert read_anchor(line, KEYS.verification) == ANCHOR
    assert read_anchor(line, FOREIGN_KEYS.verification) is None
    assert read_anchor(line.replace(b'"link":1', b'"link":2'), KEYS.verification) is None
    assert len(line_digest(line)) == 64
    assert line_digest(None) == ""


@pytest.mark.parametrize("line", [b"", b"{}", b'{"anchor":{},"public_key":"","signature":"zz"}', b"\xff"])
def test_what_is_no_anchor_is_none(line: bytes) -> None:
    assert read_anchor(line, KEYS.verification) is None


def test_a_process_without_the_signing_key_signs_nothing() -> None:
    with pytest.raises(ConfigurationError):
        sign_bundle(BODY, READING_ONLY)
    with pytest.raises(ConfigurationError):
        anchor_line(ANCHOR, READING_ONLY)
