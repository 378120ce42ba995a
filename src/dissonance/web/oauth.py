"""The local issuer for programs: what it is (RFC 8414), its keys, and tokens (RFC 6749).

Routes are public, since whoever comes has no token yet. What they are told is in the words of OAuth 2; what was given
and what was denied is in the audit trail.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Scope

from dissonance.contracts.oauth_api import (
    KeySet,
    OAuthRefusal,
    RevocationReply,
    RevocationRequest,
    ServerMetadata,
    TokenReply,
    TokenRequest,
)
from dissonance.errors import InputError, LockedOut, Overloaded
from dissonance.ports.authorization import Authorization, OAuthAnswer, OAuthAsked
from dissonance.ports.clock import Clock
from dissonance.security.client_assertions import ALGORITHMS
from dissonance.security.permissions import Permission
from dissonance.web.access_trail import AccessTrail, Seen
from dissonance.web.admission import client_address
from dissonance.web.bodies import json_reply
from dissonance.web.few_at_once import FewAtOnce
from dissonance.web.forms import FORM_TYPE, read_form
from dissonance.web.middleware.request_id import request_id
from dissonance.web.routes import ProtectedRouter, Refusals

METADATA = "/.well-known/oauth-authorization-server"
KEYS = "/oauth/keys"
TOKEN = "/oauth/token"  # noqa: S105 - an address
AUTHORIZE = "/oauth/authorize"
REVOKE = "/oauth/revoke"

GIVEN = ("code", "refresh_token", "token")
"""Parameters with what a login gave."""

WAYS = ["client_secret_basic", "private_key_jwt", "none"]
"""How clients say that they are themselves."""

REFUSALS = Refusals((400, 401, 413, 415), "application/json", OAuthRefusal)

REASONS = {
    "invalid_client": "unauthenticated",
    "invalid_grant": "unauthenticated",
    "unauthorized_client": "forbidden",
    "invalid_scope": "forbidden",
    "access_denied": "forbidden",
}
"""What of the errors of OAuth 2 is a denial to the audit trail; the others are mistakes."""


def issuer_of(scope: Scope, stated: str) -> str:
    """Who we are to whoever asks: the setting, where it is an address; else where the request arrived. Never what the
    request itself says (its `Host`), which anybody may write.

    >>> issuer_of({"scheme": "https", "server": ("127.0.0.1", 8443)}, "dissonance-local")
    'https://127.0.0.1:8443'
    """
    if stated.startswith(("https://", "http://")):
        return stated.rstrip("/")
    host, port = scope["server"]
    return f"{scope['scheme']}://{f'[{host}]' if ':' in host else host}:{port}"


def note(trail: AccessTrail, clock: Clock, scope: Scope, status: int, *, who: str, reason: str) -> None:
    """Who got a credential, or was denied one: in the audit trail as what makes tokens is."""
    seen = Seen(who, client_address(scope), Permission.TOKENS, scope["method"], scope["route"].path, "", reason, status)
    trail.note(seen, clock.now_us(), request_id(scope))


def oauth_routes(
    authorization: Authorization, clock: Clock, few: FewAtOnce, *, stated_issuer: str, keys: KeySet
) -> ProtectedRouter:
    """`few`: those that `authorization` works for. `stated_issuer`: the setting."""
    router = ProtectedRouter()
    form = partial(
        router.protected,
        "POST",
        permission=Permission.PUBLIC,
        body_type=FORM_TYPE,
        problems=[LockedOut, Overloaded],
        refusals=REFUSALS,
    )

    @router.protected("GET", METADATA, permission=Permission.PUBLIC, reply=ServerMetadata)
    async def oauth_metadata(request: Request) -> Response:
        """What the local issuer can do, and where (RFC 8414)."""
        return json_reply(_metadata(issuer_of(request.scope, stated_issuer)))

    @router.protected("GET", KEYS, permission=Permission.PUBLIC, reply=KeySet)
    async def oauth_keys(request: Request) -> Response:
        """The public keys that tokens are signed with (RFC 7517)."""
        return json_reply(keys)

    @form(TOKEN, body=TokenRequest, reply=TokenReply)
    async def oauth_token(request: Request) -> Response:
        """A token for a client's secret or signature, or for a login's code or refresh token (RFC 6749, RFC 7523)."""
        return await answered(request, authorization.token)

    @form(REVOKE, body=RevocationRequest, reply=RevocationReply)
    async def oauth_revoke(request: Request) -> Response:
        """A refresh token given back: its login is over, with all tokens of it (RFC 7009)."""
        return await answered(request, authorization.revoke)

    async def answered(request: Request, ask: Callable[[OAuthAsked], OAuthAnswer]) -> Response:
        try:
            parameters = await read_form(request)
        except InputError as error:
            return _said(error.status, {"error": "invalid_request", "error_description": error.what})
        header = request.headers.get("authorization", "")
        proof = header or parameters.get("client_assertion", "")
        given = next(filter(None, map(parameters.get, GIVEN)), "")
        asked = OAuthAsked(issuer_of(request.scope, stated_issuer), "POST", parameters, header)
        lockout = request.app.state.lockout
        try:
            for shown in filter(None, (proof, given)):
                lockout.require(shown)
            async with few.place():
                answer = await asyncio.to_thread(ask, asked)
            if REASONS.get(answer.error) == "unauthenticated":
                # A wrong code is not held against the secret beside it: anybody can have a client come with one.
                lockout.failed(client_address(request.scope), given if answer.error == "invalid_grant" else proof)
        except LockedOut as error:
            note(request.app.state.trail, clock, request.scope, error.status, who="", reason=error.slug)
            raise
        _note(request, clock, answer)
        return _said(answer.status, answer.body, answer.headers)

    return router


def _note(request: Request, clock: Clock, answer: OAuthAnswer) -> None:
    reason = REASONS.get(answer.error, "")
    if reason or not answer.error:
        who = answer.who or answer.client_id
        note(request.app.state.trail, clock, request.scope, answer.status, who=who, reason=reason)


def _said(status: int, body: Mapping[str, Any], headers: Mapping[str, str] | None = None) -> Response:
    return Response(msgspec.json.encode(body), status, headers, media_type="application/json")


def _metadata(issuer: str) -> ServerMetadata:
    return ServerMetadata(
        issuer=issuer,
        authorization_endpoint=issuer + AUTHORIZE,
        token_endpoint=issuer + TOKEN,
        jwks_uri=issuer + KEYS,
        revocation_endpoint=issuer + REVOKE,
        scopes_supported=[permission.value for permission in Permission if permission is not Permission.PUBLIC],
        response_types_supported=["code"],
        response_modes_supported=["query"],
        grant_types_supported=["authorization_code", "client_credentials", "refresh_token"],
        token_endpoint_auth_methods_supported=WAYS,
        token_endpoint_auth_signing_alg_values_supported=list(ALGORITHMS),
        revocation_endpoint_auth_methods_supported=WAYS,
        revocation_endpoint_auth_signing_alg_values_supported=list(ALGORITHMS),
        code_challenge_methods_supported=["S256"],
        authorization_response_iss_parameter_supported=True,
    )
