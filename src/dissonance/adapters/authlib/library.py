"""Authlib's parts, filled in: who the clients are, where codes lie, and what of the protocol is not offered.

There is no implicit and no password grant, since none is registered; PKCE is by S256 and for everybody; a redirect is
always stated, and stands letter by letter among the client's (RFC 9700 section 2.1).
"""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, NamedTuple

from authlib.oauth2.rfc6749 import (
    AuthorizationCodeMixin,
    AuthorizationServer,
    ClientMixin,
    InvalidRequestError,
    OAuth2Request,
)
from authlib.oauth2.rfc6749.grants import AuthorizationCodeGrant, ClientCredentialsGrant
from authlib.oauth2.rfc6749.requests import BasicOAuth2Payload
from authlib.oauth2.rfc7636 import CodeChallenge
from authlib.oauth2.rfc9207 import IssuerParameter

from dissonance.adapters.authlib.client_keys import BASIC, EVERY_WAY, NONE, SIGNED, ClientKeys
from dissonance.adapters.authlib.records import Records
from dissonance.adapters.authlib.refreshing import LoggingOut, RefreshGrant
from dissonance.ports.authorization import OAuthAsked
from dissonance.ports.clock import Randomness
from dissonance.security.oauth_clients import OAuthClient, is_secret, takes_redirect
from dissonance.security.people import LoginCode
from dissonance.security.secret_texts import base64url

CODE_BYTES = 32
S256 = "S256"
HERE = "https://here/"
"""Authlib wants to see an address of TLS; which of ours it was does not matter to it."""

CodeOf = Callable[[Any, OAuth2Request, str], LoginCode]
"""From a person, what was asked and a code's text to what the code stands for."""


class Client(ClientMixin):
    def __init__(self, client: OAuthClient) -> None:
        self.known = client

    def get_client_id(self) -> str:
        return self.known.client_id

    def get_default_redirect_uri(self) -> None:
        """None: it has to be stated."""

    def get_allowed_scope(self, scope: str | None) -> str:
        return scope or ""

    def check_redirect_uri(self, redirect_uri: str) -> bool:
        return takes_redirect(self.known, redirect_uri)

    def check_client_secret(self, client_secret: str) -> bool:
        return is_secret(self.known, client_secret)

    def check_endpoint_auth_method(self, method: str, endpoint: str) -> bool:
        """One each: who has a key is not let in with a secret, nor without both."""
        if self.known.public_key:
            return method == SIGNED
        return method == (BASIC if self.known.has_secret else NONE)

    def check_response_type(self, response_type: str) -> bool:
        return response_type == "code" and bool(self.known.redirects)

    def check_grant_type(self, grant_type: str) -> bool:
        wanted = {
            ClientCredentialsGrant.GRANT_TYPE: self.known.can_prove_itself and bool(self.known.grants),
            AuthorizationCodeGrant.GRANT_TYPE: bool(self.known.redirects),
            RefreshGrant.GRANT_TYPE: bool(self.known.redirects),
        }
        return wanted.get(grant_type, False)


class Code(AuthorizationCodeMixin):
    def __init__(self, code: LoginCode) -> None:
        self.known = code
        self.code_challenge = code.challenge
        self.code_challenge_method = S256

    def get_redirect_uri(self) -> str:
        return self.known.redirect

    def get_scope(self) -> str:
        return " ".join(self.known.scope)


class Request(OAuth2Request):
    def __init__(self, asked: OAuthAsked) -> None:
        headers = {"Authorization": asked.authorization} if _is_basic(asked.authorization) else {}
        super().__init__(asked.method, HERE, headers=headers)
        self._parameters = dict(asked.parameters)
        self.payload = BasicOAuth2Payload(self._parameters)

    @property
    def form(self) -> dict[str, str]:
        return self._parameters

    args = form


def _is_basic(header: str) -> bool:
    """Whether a name and a secret can be read in it: Authlib takes that for granted."""
    scheme, _, credentials = header.partition(" ")
    try:
        return scheme.lower() == "basic" and ":" in b64decode(credentials, validate=True).decode()
    except ValueError:
        return False


class Response:
    """`location` is where Authlib's extension for RFC 9207 looks for it."""

    def __init__(self, status: int, body: Any, headers: Sequence[tuple[str, str]]) -> None:
        self.status = status
        self.body = body if isinstance(body, dict) else {}
        self.headers = dict(headers)
        self.location = self.headers.pop("Location", "")


class OwnGrant(ClientCredentialsGrant):
    """A client's own tokens."""

    TOKEN_ENDPOINT_AUTH_METHODS = (SIGNED, BASIC)


class LoginGrant(AuthorizationCodeGrant):
    """Codes for people who logged in; see `Server.code_of`."""

    TOKEN_ENDPOINT_AUTH_METHODS = EVERY_WAY

    def generate_authorization_code(self) -> str:
        return base64url(self.server.randomness.token(CODE_BYTES))

    def save_authorization_code(self, code: str, request: OAuth2Request) -> None:
        self.server.records.keep(self.server.code_of(request.user, request, code))

    def query_authorization_code(self, code: str, client: Client) -> Code | None:
        known = self.server.records.take(code)
        return Code(known) if known is not None and known.client_id == client.get_client_id() else None

    def delete_authorization_code(self, authorization_code: Code) -> None:
        """It was taken, which is what its being remembered is for."""

    def authenticate_user(self, authorization_code: Code) -> Code:
        return authorization_code


class OnlyS256(CodeChallenge):
    """RFC 7636 without `plain`, and never left out (RFC 9700 section 2.1.1)."""

    DEFAULT_CODE_CHALLENGE_METHOD = None
    SUPPORTED_CODE_CHALLENGE_METHOD = (S256,)
    CODE_CHALLENGE_METHODS: ClassVar = {S256: CodeChallenge.CODE_CHALLENGE_METHODS[S256]}

    def validate_code_challenge(self, grant: LoginGrant, redirect_uri: str) -> None:
        data = grant.request.payload.data
        if not data.get("code_challenge") or data.get("code_challenge_method") != S256:
            raise InvalidRequestError("a 'code_challenge' of the 'code_challenge_method' S256 is needed")
        super().validate_code_challenge(grant, redirect_uri)


class Parts(NamedTuple):
    """What a `Server` works with. `issue`: as Authlib's token generators are called."""

    records: Records
    randomness: Randomness
    scopes: Sequence[str]
    issue: Callable[..., dict[str, Any]]
    code_of: CodeOf


class Server(AuthorizationServer):
    """For one request."""

    def __init__(self, parts: Parts, issuer: str) -> None:
        super().__init__(scopes_supported=parts.scopes)
        self.records = parts.records
        self.randomness = parts.randomness
        self.code_of = parts.code_of
        self.register_client_auth_method(SIGNED, ClientKeys(parts.records, issuer))
        self.register_grant(OwnGrant)
        self.register_grant(LoginGrant, [OnlyS256(required=True)])
        self.register_grant(RefreshGrant)
        self.register_endpoint(LoggingOut)
        self.register_token_generator("default", parts.issue)
        self.naming = _Naming(issuer)
        self.register_extension(self.naming)

    def query_client(self, client_id: str) -> Client | None:
        known = self.records.client(client_id)
        return Client(known) if known is not None else None

    def save_token(self, token: dict[str, Any], request: OAuth2Request) -> None:
        """Tokens are signed, and kept nowhere."""

    def send_signal(self, name: str, *args: Any, **more: Any) -> None:
        """Nobody listens."""

    def create_oauth2_request(self, request: Request) -> Request:
        return request

    def handle_response(self, status: int, body: Any, headers: Sequence[tuple[str, str]]) -> Response:
        return Response(status, body, headers)


class _Naming(IssuerParameter):
    """Says in every answer that goes through a browser who gives it (RFC 9207)."""

    def __init__(self, issuer: str) -> None:
        self._issuer = issuer

    def get_issuer(self) -> str:
        return self._issuer
