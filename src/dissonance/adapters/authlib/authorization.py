"""`ports.authorization.Authorization` on Authlib: which permissions a token gets, and what became of each request."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from authlib.oauth2 import OAuth2Error
from authlib.oauth2.rfc6749 import AccessDeniedError, InvalidScopeError, OAuth2Request, UnauthorizedClientError

from dissonance.adapters.authlib.library import Client, Code, Parts, Request, Response, Server
from dissonance.adapters.authlib.records import CLIENT_S, PERSON_S, Records
from dissonance.errors import InputError
from dissonance.ports.authorization import Consent, OAuthAnswer, OAuthAsked
from dissonance.ports.clock import Randomness
from dissonance.security.grants import Grants, permissions_of
from dissonance.security.people import LoginCode, Person
from dissonance.security.permissions import Permission
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
        code = request.authorization_code
        client_id = request.client.get_client_id() if request.client is not None else ""
        return _answer(response, client_id, code.known.name if code is not None else client_id)

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

    def _issue(self, *, client: Client, user: Code | None, scope: str | None, **_: Any) -> dict[str, Any]:
        """`user`: the code, of which Authlib knows that it may be changed for a token; none for a client's own."""
        if user is not None:
            code = user.known
            given, lifetime_s = code.scope, PERSON_S
            token = self._tokens.issue_scope(
                given,
                subject=code.name,
                tasks=code.tasks,
                lifetime_s=lifetime_s,
                client_id=code.client_id,
                token_id=code.token_id,
            )
        else:
            has, lifetime_s = _permissions(client.known.grants, self._grants), CLIENT_S
            wanted = frozenset((scope or "").split()) or has
            if not wanted <= has:
                raise InvalidScopeError("the client has not all of these permissions")
            given = tuple(sorted(wanted))
            token = self._tokens.issue_scope(
                given, subject=client.known.client_id, tasks=client.known.tasks, lifetime_s=lifetime_s
            )
        return {"access_token": token, "token_type": "Bearer", "expires_in": lifetime_s, "scope": " ".join(given)}


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
    return _answer(response, request.client.get_client_id() if request.client is not None else "", "", error.error)


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
