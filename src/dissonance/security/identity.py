"""Who asks, once a credential was verified."""

from __future__ import annotations

from typing import Protocol

import msgspec

from dissonance.security.permissions import ANY_TASK, OF_THE_SYSTEM, Permission

MICROSECONDS = 1_000_000
SKEW_S = 60  # how far another clock may be ahead of ours, in seconds, where nobody said otherwise
MAX_SKEW_S = 300  # seconds that somebody may say


class Clock(Protocol):
    """`ports.clock.Clock`, restated: `security` lies below the ports."""

    def now_us(self) -> int: ...


class Randomness(Protocol):
    """`ports.clock.Randomness`, restated."""

    def token(self, size: int) -> bytes: ...


class Identity(msgspec.Struct, frozen=True):
    """Who asks, and what they may do until `expires_at_us` (microseconds since 1970).

    `issued_at_us`: when that was at the earliest, by our clock, since the issuer's may be ahead of it. `token_id`: what
    the credential is revoked by, a `jti` or the id of an API key. `issuer` and `signer`: who vouched, with which key
    (its digest); empty for API keys. `credential`: SHA-256 of what was sent, 32 bytes.
    """

    name: str
    permissions: frozenset[Permission]
    tasks: frozenset[str]
    expires_at_us: int
    issued_at_us: int = 0
    token_id: str = ""
    issuer: str = ""
    signer: str = ""
    credential: bytes = b""

    def may(self, permission: Permission) -> bool:
        """Whether it has the permission; one `OF_THE_SYSTEM` only while it is for every task."""
        return permission in self.permissions and (permission not in OF_THE_SYSTEM or ANY_TASK in self.tasks)

    def may_touch(self, task: str) -> bool:
        return task in self.tasks or ANY_TASK in self.tasks
