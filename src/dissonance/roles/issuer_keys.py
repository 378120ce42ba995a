"""Keys of trusted issuers, read where these publish them, and read again now and then (OpenID Connect Discovery 1.0).

No request waits for an issuer but one whose token names a key that nobody has heard of: once in `AGAIN_S` that is a
reason to look again, whoever asks. An issuer that is away takes nothing away: what it published last goes on.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import TypeVar

import msgspec

from dissonance.contracts.unreadable import UNREADABLE
from dissonance.errors import DissonanceError, IssuerUnavailable
from dissonance.ports.clock import Clock
from dissonance.ports.issuers import IssuerDocuments
from dissonance.security.issuers import TrustedIssuer, require_safe_url
from dissonance.security.signers import signers_of
from dissonance.telemetry.logs import log
from dissonance.telemetry.names import LogAction

DISCOVERY = "/.well-known/openid-configuration"
EVERY_S = 300.0
"""Seconds until keys are read again: a key that an issuer withdrew opens nothing after that."""

AGAIN_S = 5.0
"""Seconds in which unknown keys make us look once, however many tokens name one."""

T = TypeVar("T")

_logger = logging.getLogger(__name__)


class _Discovered(msgspec.Struct):
    issuer: str
    jwks_uri: str


class IssuerKeys:
    """Keeps the `signers` of one issuer; calls `on_change` when one of them is gone or new."""

    def __init__(
        self,
        issuer: TrustedIssuer,
        documents: IssuerDocuments,
        clock: Clock,
        on_change: Callable[[], None],
    ) -> None:
        self._issuer = issuer
        self._documents = documents
        self._clock = clock
        self._on_change = on_change
        self._reading = asyncio.Lock()
        self._looked_us: int | None = None

    async def follow(self) -> None:
        """For ever."""
        while True:
            await self.read()
            await asyncio.sleep(EVERY_S)

    async def refresh(self) -> None:
        """Read again, unless that was done just now; those who ask meanwhile wait for the same reading."""
        async with self._reading:
            if self._looked_us is None or self._clock.now_us() - self._looked_us >= AGAIN_S * 1e6:
                await self._read()

    async def read(self) -> None:
        async with self._reading:
            await self._read()

    async def _read(self) -> None:
        rules = self._issuer.rules
        self._looked_us = self._clock.now_us()
        try:
            discovered = await self._discovered()
            key_set = await self._documents.fetch(discovered.jwks_uri, ca_file=rules.ca_file)
            signers = _understood(lambda: signers_of(key_set, rules.algorithms), discovered.jwks_uri)
        except DissonanceError as error:
            log(_logger, LogAction.ISSUER_UNREADABLE, logging.WARNING, issuer=rules.name, why=str(error))
            return
        if signers.keys() != self._issuer.signers.keys():
            log(_logger, LogAction.ISSUER_READ, issuer=rules.name, keys=len(signers))
        self._issuer.signers = signers
        self._on_change()

    async def _discovered(self) -> _Discovered:
        """Raises `IssuerUnavailable` where it says that it is somebody else (OpenID Connect Discovery, section 4.3)."""
        rules = self._issuer.rules
        url = rules.url.rstrip("/") + DISCOVERY
        content = await self._documents.fetch(url, ca_file=rules.ca_file)
        found = _understood(lambda: msgspec.json.decode(content, type=_Discovered), url)
        if found.issuer != rules.url:
            raise IssuerUnavailable(
                f"it calls itself {found.issuer[:200]}", where=url, fix="write the issuer's url as it writes it itself"
            )
        require_safe_url(found.jwks_uri, as_safe_as=rules.url)
        return found


def _understood(read: Callable[[], T], url: str) -> T:
    try:
        return read()
    except (ValueError, *UNREADABLE) as error:
        raise IssuerUnavailable(
            f"what it publishes cannot be read: {error}", where=url, fix="tell its keeper"
        ) from error
