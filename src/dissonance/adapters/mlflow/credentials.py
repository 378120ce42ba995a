"""Who we are at an MLflow: the header `Authorization` of each request (RFC 6750, RFC 7617)."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable

Authorization = Callable[[], str]
"""Asked at each request, since a token may have been renewed."""


def bearer(token: Callable[[], str]) -> Authorization:
    """
    >>> bearer(lambda: "abc")()
    'Bearer abc'
    """
    return lambda: f"Bearer {token()}"


def basic(username: str, password: str) -> Authorization:
    """
    >>> basic("ada", "secret")()
    'Basic YWRhOnNlY3JldA=='
    """
    said = "Basic " + b64encode(f"{username}:{password}".encode()).decode()
    return lambda: said
