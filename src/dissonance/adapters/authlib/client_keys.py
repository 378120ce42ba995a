"""Clients that sign, where others show a secret, as one more way of Authlib's to know a client (`private_key_jwt`).

Authlib brings one (`JWTBearerClientAssertion`), by joserfc and the clock of the machine. What is signed is judged here
as all other tokens are (`security.jwt_checks`): the key decides on the algorithm, and time is the port's.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from authlib.oauth2.rfc6749 import InvalidClientError, InvalidRequestError

from dissonance.adapters.authlib.records import Records
from dissonance.errors import Unauthenticated
from dissonance.security.client_assertions import ASSERTION_TYPE, checked_assertion
from dissonance.security.jwt_checks import unchecked
from dissonance.security.signers import client_signer

BASIC, SIGNED, NONE = "client_secret_basic", "private_key_jwt", "none"
EVERY_WAY = (SIGNED, BASIC, NONE)
"""In which clients prove themselves, each in one (`library.Client`). What was signed goes first: it is looked at
whatever else came."""

ASSERTION, KIND = "client_assertion", "client_assertion_type"


class ClientKeys:
    """`issuer`: who we are to whoever asks."""

    def __init__(self, records: Records, issuer: str) -> None:
        self._records = records
        self._issuer = issuer

    def __call__(self, query_client: Callable[[str], Any], request: Any) -> Any:
        """The client that signed; None where nothing signed came. Raises `InvalidClientError`, and
        `InvalidRequestError` for two ways at once (RFC 6749 section 2.3)."""
        form = request.form
        if not form.keys() & {ASSERTION, KIND}:
            return None
        if request.headers:
            raise InvalidRequestError("a client proves itself in one way")
        if form.get(KIND) != ASSERTION_TYPE or ASSERTION not in form:
            raise InvalidClientError
        try:
            return self._signed_by(form[ASSERTION], form.get("client_id"), query_client)
        except Unauthenticated as error:
            raise InvalidClientError from error

    def _signed_by(self, text: str, client_id: str | None, query_client: Callable[[str], Any]) -> Any:
        said = unchecked(text)
        client = query_client(said.issuer)
        if client is None or not client.known.public_key or client_id not in (None, said.issuer):
            raise InvalidClientError
        signer = client_signer(client.known.public_key)
        assertion = checked_assertion(text, said, signer, self._issuer, self._records.now_us())
        if not self._records.use(assertion):
            raise InvalidClientError
        return client
