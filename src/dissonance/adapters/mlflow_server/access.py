"""The authorization function of MLflow's auth app: a token of ours as bearer, or as the password of basic auth.

The second is for browsers, which ask for a name and a password; the name is not looked at.
"""

from __future__ import annotations

from functools import lru_cache
from http import HTTPStatus
from pathlib import Path
from threading import Lock

from flask import Response, request
from mlflow.server.auth.config import _get_auth_config_path
from mlflow.server.handlers import _get_tracking_store
from werkzeug.datastructures import Authorization

from dissonance.adapters.clock import SystemClock
from dissonance.adapters.mlflow_server.files import read_access
from dissonance.adapters.mlflow_server.people import TokenHolders
from dissonance.adapters.mlflow_server.revoked import RevocationWatch
from dissonance.adapters.mlflow_server.rights import may_ask
from dissonance.adapters.postgres.revoked import RevocationReading
from dissonance.adapters.postgres.rights import beside
from dissonance.errors import Unauthenticated
from dissonance.security.identity import Identity
from dissonance.security.revocations import CredentialList
from dissonance.security.tokens import LocalIssuer
from dissonance.security.verifier import TokenVerifier

CHALLENGES = ('Bearer realm="dissonance"', 'Basic realm="name: any, password: an access token", charset="UTF-8"')


class Guard:
    """Judges requests; `holders` are told of those that come in. Safe for many threads."""

    def __init__(self, verifier: TokenVerifier, holders: TokenHolders) -> None:
        self._verifier = verifier
        self._holders = holders
        self._lock = Lock()

    def admit(self, shown: Authorization | None, method: str, path: str) -> Authorization | Response:
        """MLflow's own check comes after it. 401 without a token that holds, 403 with one that is too weak."""
        token = _token_in(shown)
        if not token:
            return _refusal(HTTPStatus.UNAUTHORIZED, "MLflow takes access tokens: dissonance token create")
        try:
            identity = self._verified(token)
        except Unauthenticated as error:
            return _refusal(HTTPStatus.UNAUTHORIZED, error.what)
        username = self._holders.admit(identity)
        if not may_ask(self._holders.rights(username), method, path):
            return _refusal(HTTPStatus.FORBIDDEN, "the token's grants do not allow this at MLflow")
        return Authorization("basic", {"username": username, "password": ""})

    def use(self, listed: CredentialList) -> None:
        """From now on refuse what this list refuses."""
        with self._lock:
            self._verifier.use(listed)

    def _verified(self, token: str) -> Identity:
        with self._lock:
            return self._verifier.verify(token)


@lru_cache
def holders() -> TokenHolders:
    """Those of this process."""
    from dissonance.adapters.mlflow_server.experiments import experiments_of

    return TokenHolders(experiments_of)


@lru_cache
def guard() -> Guard:
    access, clock = read_access(Path(_get_auth_config_path())), SystemClock()
    local = LocalIssuer(access.public_key_pem, issuer=access.issuer, audience=access.audience)
    made = Guard(TokenVerifier([local], clock=clock), holders())
    RevocationWatch(RevocationReading(database_beside_ours(access.database)), clock, made.use).start()
    return made


def database_beside_ours(name: str) -> str:
    """Its address, by which MLflow's own is reached: so there is one place where a password may stand."""
    url: str = _get_tracking_store().db_uri  # type: ignore[attr-defined]  # of its store on SQL, which ours is
    return beside(url, name)


def authenticate() -> Authorization | Response:
    """Named in MLflow's configuration; called in the context of a Flask request."""
    return guard().admit(request.authorization, request.method, request.path)


def _token_in(shown: Authorization | None) -> str:
    if shown is None:
        return ""
    return (shown.token if shown.type == "bearer" else shown.password) or ""


def _refusal(status: HTTPStatus, text: str) -> Response:
    answer = Response(f"{text}\n", status=status, content_type="text/plain; charset=utf-8")
    if status == HTTPStatus.UNAUTHORIZED:
        for challenge in CHALLENGES:
            answer.headers.add("WWW-Authenticate", challenge)
    return answer
