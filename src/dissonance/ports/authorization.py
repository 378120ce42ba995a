"""The local issuer's side of OAuth 2: what programs and browsers ask, and what they are told (RFC 6749, RFC 9700).

Methods wait for the store, and so do not belong on the event loop. Errors of the protocol are answers;
`EngineUnavailable` is raised.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple, Protocol

from dissonance.security.people import Person


class OAuthAsked(NamedTuple):
    """`parameters`: of the query or the form, each there once. `authorization`: the header. `issuer`: who we are to
    whoever asks, an address."""

    issuer: str
    method: str
    parameters: Mapping[str, str]
    authorization: str = ""


class OAuthAnswer(NamedTuple):
    """`error`: its code (RFC 6749 sections 4.1.2.1 and 5.2), empty where what was asked for was given. `location`:
    where the browser is sent. `who` got it, `client_id` asked; empty where that is not known."""

    status: int
    body: Mapping[str, Any]
    headers: Mapping[str, str]
    error: str = ""
    location: str = ""
    who: str = ""
    client_id: str = ""


class Consent(NamedTuple):
    """A login that may begin: for whom, with which permissions (none: all that the person has), and where it leads."""

    client_id: str
    scope: tuple[str, ...]
    redirect: str


class Authorization(Protocol):
    def token(self, asked: OAuthAsked) -> OAuthAnswer:
        """A token for a client's secret or what it signed, for a code and its verifier, or for a refresh token."""
        ...

    def revoke(self, asked: OAuthAsked) -> OAuthAnswer:
        """A refresh token is given back: its login is over (RFC 7009)."""
        ...

    def consent(self, asked: OAuthAsked) -> Consent | OAuthAnswer:
        """Whether somebody may log in for what is asked; else what is wrong with it."""
        ...

    def logged_in(self, asked: OAuthAsked, person: Person | None) -> OAuthAnswer:
        """The browser is sent back: with a code for `person`, whose password was right, or with the news that there is
        none."""
        ...
