"""Our tokens on the requests of MLflow's client, and on those to our own server only.

MLflow's client knows one way to a token that changes: a provider of its registry, named by a variable. Its other way, a
variable with the token in it, would hand the token to every process that is started from here.
"""

from __future__ import annotations

from collections.abc import Callable
from threading import Lock

from mlflow import environment_variables as variables
from mlflow.tracking.request_auth.abstract_request_auth_provider import RequestAuthProvider
from mlflow.tracking.request_auth.registry import _request_auth_provider_registry
from requests import PreparedRequest
from requests.auth import AuthBase

PROVIDER = "dissonance"

Token = Callable[[], str]

_tokens: dict[str, Token] = {}
_lock = Lock()


class _Bearer(AuthBase):
    """MLflow asks for one object for all servers: which it is for is in the request."""

    def __call__(self, request: PreparedRequest) -> PreparedRequest:
        token = next((token for url, token in _tokens.items() if (request.url or "").startswith(f"{url}/")), None)
        if token is not None:
            request.headers["Authorization"] = f"Bearer {token()}"
        return request


class _Provider(RequestAuthProvider):
    def get_name(self) -> str:
        return PROVIDER

    def get_auth(self) -> AuthBase:
        return _Bearer()


def show_tokens_to(url: str, token: Token) -> None:
    """From now on, each request of this process to the MLflow at `url` carries what `token` returns then."""
    with _lock:
        if not _tokens:
            _request_auth_provider_registry.register(_Provider)  # type: ignore[no-untyped-call]  # untyped in MLflow
            variables.MLFLOW_TRACKING_AUTH.set(PROVIDER)  # type: ignore[no-untyped-call]  # untyped in MLflow
        _tokens[url.rstrip("/")] = token
