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
from werkzeug.datastructures import Authorization

from dissonance.adapters.clock import SystemClock
from dissonance.adapters.mlflow_server.files import read_access
from dissonance.adapters.mlflow_server.people import TokenHolders
from dissonance.adapters.mlflow_server.revoked import Following, reader
from dissonance.adapters.mlflow_server.rights import may_ask
from dissonance.errors import Unauthenticated
from dissonance.security.identity import Identity
from dissonance.security.tokens import LocalIssuer
from dissonance.security.verifier import TokenVerifier

CHALLENGES = ('Bearer realm="dissonance"', 'Basic realm="name: any, password: an access token", charset="UTF-8"')


class Guard:
    """Judges requests; `holders` are told of who comes in, `revoked` tells what is refused. Safe for many threads."""

    def __init__(self, verifier: TokenVerifier, holders: TokenHolders, revoked: Following) -> None:
        self._verifier = verifier
        self._holders = holders
        self._revoked = revoked
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

    def _verified(self, token: str) -> Identity:
        with self._lock:
            if (listed := self._revoked.news()) is not None:
                self._verifier.use(listed)
            return self._verifier.verify(token)


@lru_cache
def holders() -> TokenHolders:
    """Those of this process."""
    from dissonance.adapters.mlflow_server.experiments import experiments_of

    return TokenHolders(experiments_of)


@lru_cache
def guard() -> Guard:
    from dissonance.adapters.mlflow_server.experiments import own_database

    access = read_access(Path(_get_auth_config_path()))
    local = LocalIssuer(access.public_key_pem, issuer=access.issuer, audience=access.audience)
    clock = SystemClock()
    revoked = Following(reader(own_database().set(database=access.credentials_database)), clock)
    return Guard(TokenVerifier([local], clock=clock), holders(), revoked)


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
