"""Who keeps the root key of an installation: it rests as a document that only its guard opens (ADR 57)."""

from __future__ import annotations

from typing import Protocol


class KeyGuard(Protocol):
    """Methods block: they are called at the start of a process and by commands, never for a request.

    They raise `SealBroken` for a document that this guard cannot open, `EngineUnavailable` while it does not answer,
    and `ConfigurationError` when it refuses us. Nothing is changed then.
    """

    def protect(self, root_key: bytes) -> bytes:
        """The document of 32 secret bytes."""
        ...

    def open(self, document: bytes) -> bytes:
        """The root key."""
        ...

    def renew(self, document: bytes) -> bytes:
        """Another document of the same root key, under a new key of the guard's own where it has one."""
        ...
