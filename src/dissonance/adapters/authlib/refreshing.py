"""Logins that go on, and that end: Authlib's grant for refresh tokens, and its endpoint where a client gives one back
(RFC 6749 section 6, RFC 7009)."""

from __future__ import annotations

from typing import Any

from authlib.oauth2.rfc6749 import TokenMixin, UnsupportedTokenTypeError
from authlib.oauth2.rfc6749.grants import RefreshTokenGrant
from authlib.oauth2.rfc7009 import RevocationEndpoint

from dissonance.adapters.authlib.client_keys import EVERY_WAY
from dissonance.security.refresh_tokens import PREFIX, KnownRefresh

REVOCATION = RevocationEndpoint.ENDPOINT_NAME


class Refreshing(TokenMixin):
    def __init__(self, known: KnownRefresh) -> None:
        self.known = known

    def check_client(self, client: Any) -> bool:
        return self.known.login.client_id == str(client.get_client_id())

    def get_scope(self) -> str:
        return " ".join(self.known.login.scope)


class RefreshGrant(RefreshTokenGrant):
    """Each time another refresh token, which is put in the place of this one as it is made (`Parts.issue`)."""

    TOKEN_ENDPOINT_AUTH_METHODS = EVERY_WAY
    INCLUDE_NEW_REFRESH_TOKEN = True

    def authenticate_refresh_token(self, refresh_token: str) -> Refreshing | None:
        known = self.server.records.refreshing(refresh_token)
        return Refreshing(known) if known is not None else None

    def authenticate_user(self, refresh_token: Refreshing) -> Refreshing:
        return refresh_token

    def revoke_old_credential(self, refresh_token: Refreshing) -> None:
        """It was replaced when the other was made."""


class LoggingOut(RevocationEndpoint):
    """A refresh token that is given back ends its login. Access tokens are revoked by whoever runs the system: they are
    over in minutes, and kept nowhere (RFC 7009 section 2.2.1 has an error for that)."""

    CLIENT_AUTH_METHODS = EVERY_WAY
    SUPPORTED_TOKEN_TYPES = ("refresh_token",)

    def query_token(self, token_string: str, token_type_hint: str | None) -> Refreshing | None:
        if not token_string.startswith(PREFIX):
            raise UnsupportedTokenTypeError
        known = self.server.records.known_refresh(token_string)
        return Refreshing(known) if known is not None else None

    def revoke_token(self, token: Refreshing, request: Any) -> None:
        request.refresh_token = token
        self.server.records.end(token.known.login, "logged out")
