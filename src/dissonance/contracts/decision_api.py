"""Bodies of the HTTP API about decisions on models. Times are RFC 3339, digests SHA-256 in hexadecimal."""

from __future__ import annotations

from typing import Any

import msgspec


class DecisionLine(msgspec.Struct, frozen=True, kw_only=True):
    """`version` is the one it is about, `previous_version` the one it is held against or replaces, `production` the one
    in production once it is carried out. `event_time`: how far event time had come. `link` of the hash chain."""

    decision_id: str
    link: int
    kind: str
    version: int
    previous_version: int | None
    production: int
    by: str
    reason: str
    decided_at: str
    event_time: str
    policy_version: int
    parent: str


class DecisionsReply(msgspec.Struct, frozen=True):
    """Newest first."""

    task: str
    decisions: list[DecisionLine]


class DecisionReply(msgspec.Struct, frozen=True, kw_only=True):
    """One decision with all that it rests on. `body` is the text that was signed, `bundle` the same, read; `signature`
    (Ed25519) and `public_key` in hexadecimal. `signed`: whether the signature is of this system and holds."""

    task: str
    decision: DecisionLine
    bundle: dict[str, Any]
    body: str
    purpose: str
    signature: str
    public_key: str
    signed: bool
