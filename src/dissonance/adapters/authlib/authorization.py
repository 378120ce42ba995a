"""`ports.authorization.Authorization` on Authlib: which permissions a token gets, and what became of each request."""

from __future__ import annotations

from collections.abc import Iterable
from http import HTTPStatus
from typing import Any

from authlib.oauth2 import OAuth2Error
from authlib.oauth2.rfc6749 import (
    AccessDeniedError,
    InvalidGrantError,
    InvalidScopeError,
    OAuth2Request,
    UnauthorizedClientError,
)

from dissonance.adapters.authlib.library import Client, Code, Parts, Request, Response, Server
from dissonance.adapters.authlib.records import CLIENT_S, PERSON_S, Records
from dissonance.adapters.authlib.refreshing import REVOCATION, Refreshing
from dissonance.errors import InputError
from dissonance.ports.authorization import Consent, OAuthAnswer, OAuthAsked
from dissonance.ports.clock import Randomness
from dissonance.security.grants import Grants, permissions_of
from dissonance.security.identity import MICROSECONDS
from dissonance.security.people import LoginCode, Person
from dissonance.security.permissions import Permission
from dissonance.security.refresh_tokens import (
    LOGIN_S,
    KnownRefresh,
    PersonLogin,
    RefreshToken,
    expiry_us,
    new_login_id,
    new_text,
)
from dissonance.security.secret_texts import text_digest
from dissonance.security.tokens import TokenIssuer, new_token_id

CHALLENGE = 'Basic realm="dissonance clients", charset="UTF-8"'


class AuthlibAuthorization:
    """`tokens` signs; `grants` are looked up at every login and for every token of a client."""

    def __init__(self, records: Records, tokens: TokenIssuer, grants: Grants, randomness: Randomness) -> None:
        self._records = records
        self._tokens = tokens
        self._grants = grants
        self._randomness = randomness
        scopes = [permission.value for permission in Permission if permission is not Permission.PUBLIC]
        self._parts = Parts(records, randomness, scopes, self._issue, self._code_of)

    def token(self, asked: OAuthAsked) -> OAuthAnswer:
        request = Request(asked)
        response = Server(self._parts, asked.issuer).create_token_response(request)
        return _answer(response, _client_of(request), _who(request) or _client_of(request))

    def revoke(self, asked: OAuthAsked) -> OAuthAnswer:
        request = Request(asked)
        response = Server(self._parts, asked.issuer).create_endpoint_response(REVOCATION, request)
        return _answer(response, _client_of(request), _who(request))

    def consent(self, asked: OAuthAsked) -> Consent | OAuthAnswer:
        request, server = Request(asked), Server(self._parts, asked.issuer)
        try:
            grant = server.get_consent_grant(request)
        except OAuth2Error as error:
            return _refused(server, request, error)
        return Consent(request.client.get_client_id(), tuple((request.scope or "").split()), grant.redirect_uri)

    def logged_in(self, asked: OAuthAsked, person: Person | None) -> OAuthAnswer:
        request, server = Request(asked), Server(self._parts, asked.issuer)
        try:
            grant = server.get_consent_grant(request)
        except OAuth2Error as error:
            return _refused(server, request, error)
        response = server.create_authorization_response(request, grant_user=person, grant=grant)
        return _answer(response, request.client.get_client_id(), person.name if person is not None else "")

    def _code_of(self, person: Person, request: OAuth2Request, code: str) -> LoginCode:
        """What the person has of what was asked for; all of it where nothing was."""
        redirect = request.payload.redirect_uri
        has = _permissions(person.grants, self._grants, redirect)
        wanted = frozenset((request.scope or "").split()) or has
        if not wanted & has:
            raise AccessDeniedError("the person has none of these permissions", redirect_uri=redirect)
        return LoginCode(
            digest=text_digest(code),
            client_id=request.client.get_client_id(),
            redirect=redirect,
            challenge=request.payload.data["code_challenge"],
            name=person.name,
            scope=tuple(sorted(wanted & has)),
            tasks=person.tasks,
            token_id=new_token_id(self._randomness),
            expires_at_us=self._records.code_expires_at_us(),
        )

    def _issue(self, *, client: Client, user: Code | Refreshing | None, scope: str | None, **_: Any) -> dict[str, Any]:
        """`user`: a code or a refresh token, of which Authlib knows that it may be changed for tokens; None for a
        client's own."""
        if isinstance(user, Code):
            return self._begun(user.known)
        if isinstance(user, Refreshing):
            return self._refreshed(user.known, scope)
        known = client.known
        has = _permissions(known.grants, self._grants)
        wanted = frozenset((scope or "").split()) or has
        if not wanted <= has:
            raise InvalidScopeError("the client has not all of these permissions")
        token = self._tokens.issue_scope(wanted, subject=known.client_id, tasks=known.tasks, lifetime_s=CLIENT_S)
        return _told(token, CLIENT_S, wanted)

    def _begun(self, code: LoginCode) -> dict[str, Any]:
        now_us = self._records.now_us()
        login = PersonLogin(
            login_id=new_login_id(self._randomness),
            client_id=code.client_id,
            name=code.name,
            scope=code.scope,
            tasks=code.tasks,
            began_at_us=now_us,
            ends_at_us=now_us + LOGIN_S * MICROSECONDS,
        )
        text, first = self._refresh_token(login, code.token_id)
        if not self._records.begin(login, first):
            raise InvalidGrantError
        return self._of_login(login, first.token_id, code.scope) | {"refresh_token": text}

    def _refreshed(self, known: KnownRefresh, scope: str | None) -> dict[str, Any]:
        """What the person still has of it."""
        login, person = known.login, self._records.person(known.login.name)
        has = _permissions(person.grants, self._grants) if person is not None else frozenset()
        given = has & (frozenset((scope or "").split()) or frozenset(login.scope))
        text, another = self._refresh_token(login, new_token_id(self._randomness))
        if not given or not self._records.replace(known, another):
            raise InvalidGrantError
        return self._of_login(login, another.token_id, given) | {"refresh_token": text}

    def _refresh_token(self, login: PersonLogin, token_id: str) -> tuple[str, RefreshToken]:
        text, now_us = new_text(login.login_id, self._randomness), self._records.now_us()
        return text, RefreshToken(
            digest=text_digest(text), token_id=token_id, issued_at_us=now_us, expires_at_us=expiry_us(login, now_us)
        )

    def _of_login(self, login: PersonLogin, token_id: str, scope: Iterable[str]) -> dict[str, Any]:
        token = self._tokens.issue_scope(
            scope,
            subject=login.name,
            tasks=login.tasks,
            lifetime_s=PERSON_S,
            client_id=login.client_id,
            token_id=token_id,
        )
        return _told(token, PERSON_S, scope)


def _told(token: str, lifetime_s: int, scope: Iterable[str]) -> dict[str, Any]:
    scopes = " ".join(sorted(scope))
    return {"access_token": token, "token_type": "Bearer", "expires_in": lifetime_s, "scope": scopes}


def _permissions(names: tuple[str, ...], grants: Grants, redirect: str | None = None) -> frozenset[str]:
    try:
        return frozenset(permission.value for permission in permissions_of(names, grants))
    except InputError as error:
        what = "a grant that was given is not in the file of grants any more"
        raise UnauthorizedClientError(what, redirect_uri=redirect) from error


def _refused(server: Server, request: Request, error: OAuth2Error) -> OAuthAnswer:
    """In the browser, back at the client where that is known to be one; else here."""
    response = server.handle_error_response(request, error)
    server.naming.add_issuer_parameter(server, response)
    return _answer(response, _client_of(request), "", error.error)


def _client_of(request: Request) -> str:
    return str(request.client.get_client_id()) if request.client is not None else ""


def _who(request: Request) -> str:
    """Whose login it is about."""
    if request.authorization_code is not None:
        return str(request.authorization_code.known.name)
    return str(request.refresh_token.known.login.name) if request.refresh_token is not None else ""


def _answer(response: Response, client_id: str, who: str, error: str = "") -> OAuthAnswer:
    code = error or str(response.body.get("error", ""))
    status, body, headers = response.status, response.body, {}
    if code == "invalid_client" and not error:
        # Whether there is such a client is not said.
        status, body, headers = HTTPStatus.UNAUTHORIZED, {"error": code}, {"www-authenticate": CHALLENGE}
    return OAuthAnswer(
        status=status,
        body=body,
        headers=headers,
        error=code,
        location=response.location,
        who="" if code else who,
        client_id=client_id,
    )
