"""Whose a bearer credential is: a token of an issuer that is trusted, or an API key.

Times are judged by the clock that is passed in, never by the system's.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from dissonance.errors import Unauthenticated
from dissonance.security.api_keys import PREFIX, id_in, identity_of
from dissonance.security.identity import MICROSECONDS, SKEW_S, Clock, Identity
from dissonance.security.issuers import Holder
from dissonance.security.jwt_checks import Expected, checked_claims, require_form, signer_for, unchecked
from dissonance.security.refusals import Refusal, refused
from dissonance.security.revocations import MAX_LIFETIME_S, CredentialList
from dissonance.security.secret_texts import text_digest
from dissonance.security.signers import Signer

CACHED = 4096
API_KEYS = "api keys"
"""What `lack` names where the list of API keys is what may be too old."""


class Issuer(Protocol):
    """Whose tokens are taken. `skew_us`: how much later than it says a token of his expires."""

    @property
    def expected(self) -> Expected: ...

    @property
    def signers(self) -> Mapping[str, Signer]: ...

    @property
    def skew_us(self) -> int: ...

    def holder(self, claims: Mapping[str, Any]) -> Holder:
        """Raises `Unauthenticated` for a claim of the wrong type."""
        ...


class TokenVerifier:
    """What was verified is remembered by its SHA-256 until it expires, is revoked, or its issuer withdraws the key.

    For one event loop; not for several threads at once.
    """

    def __init__(self, issuers: Sequence[Issuer], *, clock: Clock) -> None:
        self._issuers = {issuer.expected.issuer: issuer for issuer in issuers}
        self._clock = clock
        self._listed = CredentialList()
        self._verified: OrderedDict[bytes, Identity] = OrderedDict()

    def verify(self, token: str) -> Identity:
        """Raises `Unauthenticated`, with a reason for the log, unless it is genuine, meant for us, in its time and not
        revoked."""
        digest = text_digest(token)
        identity = self._verified.get(digest)
        if identity is None:
            identity = self._identity(token, digest)
            if self._listed.refuses(identity):
                raise refused(Refusal.REVOKED)
            self.verify_again(identity)
            self._verified[digest] = identity
            if len(self._verified) > CACHED:
                self._verified.popitem(last=False)
            return identity
        self._verified.move_to_end(digest)
        try:
            self.verify_again(identity)
        except Unauthenticated:
            del self._verified[digest]
            raise
        return identity

    def verify_again(self, identity: Identity) -> None:
        """Of one that was verified here before: raises `Unauthenticated` when it has expired since."""
        if identity.expires_at_us <= self._clock.now_us():
            raise refused(Refusal.EXPIRED)

    def remembers(self, identity: Identity) -> bool:
        """Whether `verify` would give just this one again without a look at the token: it was not revoked since."""
        return self._verified.get(identity.credential) is identity

    def lack(self, token: str) -> str | None:
        """The issuer whose keys, or `API_KEYS`, should be read again before `verify` refuses it; None where `verify`
        has all that it needs."""
        if text_digest(token) in self._verified:
            return None
        if token.startswith(PREFIX):
            key_id = id_in(token)
            return API_KEYS if key_id is not None and self._listed.api_key(key_id) is None else None
        try:
            said = unchecked(token)
            issuer = self._issuers.get(said.issuer)
            if issuer is None:
                return None
            require_form(said, issuer.expected)
        except Unauthenticated:
            return None
        return None if str(said.header.get("kid")) in issuer.signers else said.issuer

    def use(self, listed: CredentialList) -> None:
        """From now on refuse what this list refuses."""
        self._listed = listed
        self._keep([each for each in self._verified.values() if not listed.refuses(each)])

    def signers_changed(self) -> None:
        """Forget what was verified by a key that its issuer publishes no more."""
        published = {signer.digest for issuer in self._issuers.values() for signer in issuer.signers.values()}
        self._keep([each for each in self._verified.values() if not each.issuer or each.signer in published])

    def _keep(self, identities: Sequence[Identity]) -> None:
        self._verified = OrderedDict((each.credential, each) for each in identities)

    def _identity(self, token: str, digest: bytes) -> Identity:
        if token.startswith(PREFIX):
            key_id = id_in(token)
            key = self._listed.api_key(key_id) if key_id is not None else None
            identity = identity_of(key, digest) if key is not None else None
            if identity is None:
                raise refused(Refusal.API_KEY)
            return identity
        said = unchecked(token)
        issuer = self._issuers.get(said.issuer)
        if issuer is None:
            raise refused(Refusal.ISSUER)
        require_form(said, issuer.expected)
        signer = signer_for(said, issuer.signers)
        return self._of_claims(checked_claims(token, signer, issuer.expected), issuer, signer, digest)

    def _of_claims(self, claims: Mapping[str, Any], issuer: Issuer, signer: Signer, digest: bytes) -> Identity:
        ahead_us = max(issuer.skew_us, SKEW_S * MICROSECONDS)
        latest_s = (self._clock.now_us() + ahead_us) // MICROSECONDS
        if claims["iat"] > latest_s or claims.get("nbf", 0) > latest_s:
            raise refused(Refusal.FUTURE)
        if claims["exp"] - claims["iat"] > MAX_LIFETIME_S:
            raise refused(Refusal.LIFETIME)
        holder = issuer.holder(claims)
        return Identity(
            name=holder.name,
            permissions=holder.permissions,
            tasks=holder.tasks,
            expires_at_us=claims["exp"] * MICROSECONDS + issuer.skew_us,
            issued_at_us=claims["iat"] * MICROSECONDS - ahead_us,
            token_id=claims.get("jti", digest.hex()),
            issuer=issuer.expected.issuer,
            signer=signer.digest,
            credential=digest,
        )
