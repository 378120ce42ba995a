"""What the audit trail keeps of who did what: stored, and links of a hash chain. Never rename a member (ADR 54)."""

from __future__ import annotations

from enum import StrEnum

import msgspec

from dissonance.contracts.evidence import canonical
from dissonance.contracts.unreadable import UNREADABLE

LONGEST = 120
"""Characters of a text that a caller chose."""


class Outcome(StrEnum):
    ALLOWED = "allowed"
    DENIED = "denied"


class Access(msgspec.Struct, frozen=True, kw_only=True):
    """`count` times, from `first_us` to `last_us` (microseconds since 1970), the same was asked and answered.

    `who`: holder of the token, or account of a command; empty where nobody was recognised. `source`: address of the
    client, or the machine of a command. `what`: route, method of gRPC or command. `task`: its name, empty for none.
    `reason`: slug of the refusal. `status`: of HTTP, 0 elsewhere. `request_id`: of the first.
    """

    who: str
    source: str
    permission: str
    what: str
    task: str
    outcome: Outcome
    first_us: int
    last_us: int
    count: int = 1
    reason: str = ""
    status: int = 0
    request_id: str = ""


class AccessBatch(msgspec.Struct, frozen=True, kw_only=True):
    """One link of the chain. `batch_id`: random, so that one that is recorded again is known. `by`: the process that
    saw it. `anchor`: digest of the chain's last anchor before, empty for none."""

    batch_id: str
    by: str
    accesses: list[Access]
    anchor: str = ""

    def evidence(self) -> bytes:
        """What the chain holds."""
        return canonical(self)


def read_batch(evidence: bytes) -> AccessBatch | None:
    """None for what is no batch."""
    try:
        return msgspec.json.decode(evidence, type=AccessBatch)
    except UNREADABLE:
        return None


def plain(text: str, longest: int = LONGEST) -> str:
    """A text of a caller without what a terminal, a database or a line of a log would take for more than text.

    >>> plain("toy\\x1b[2J\\n")
    'toy?[2J?'
    """
    return "".join(sign if sign.isprintable() else "?" for sign in text[:longest])
