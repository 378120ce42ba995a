"""The two sides that a login from a command talks to: the issuer, and the browser that comes back from it."""

from __future__ import annotations

import ssl
import urllib.error
import urllib.request
from collections.abc import Mapping
from contextlib import suppress
from http.client import HTTPException
from queue import Empty, SimpleQueue
from typing import TypeVar
from urllib.parse import urlencode, urlsplit

import msgspec

from dissonance.adapters.embedded.loopback import HOST
from dissonance.adapters.oidc.loopback_pages import LoopbackPage, LoopbackPages
from dissonance.contracts.oauth_api import RevocationReply, TokenReply
from dissonance.errors import IssuerUnavailable, Unauthenticated

DISCOVERY = "/.well-known/oauth-authorization-server"
LIMIT_S = 30.0
MOST_BYTES = 65_536
DONE = b"<!doctype html><meta charset=utf-8><title>Dissonance</title><p>Close this page, and go on at the terminal."

Reply = TypeVar("Reply", bound=msgspec.Struct)


class Discovered(msgspec.Struct):
    """What a login needs of RFC 8414 section 2."""

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    revocation_endpoint: str


class IssuerSide:
    """`url`: the issuer's address. `tls`: whom to trust, None where the address needs none."""

    def __init__(self, url: str, tls: ssl.SSLContext | None) -> None:
        self._url = url.rstrip("/")
        self._opener = urllib.request.build_opener(
            urllib.request.HTTPSHandler(context=tls), _NoRedirects(), urllib.request.ProxyHandler({})
        )

    def discover(self) -> Discovered:
        """Raises `IssuerUnavailable`, also where it says that it is somebody else (RFC 8414 section 3.3), or that
        others act for it, as our issuer never does."""
        found = self._ask(f"{self._url}{DISCOVERY}", None, Discovered)
        if found.issuer != self._url:
            raise IssuerUnavailable(
                f"what answers says that it is '{found.issuer[:200]}'", where=self._url, fix=f"log in at {found.issuer}"
            )
        endpoints = (found.authorization_endpoint, found.token_endpoint, found.revocation_endpoint)
        if not all(each.startswith(f"{self._url}/") for each in endpoints):
            raise IssuerUnavailable("it sends people elsewhere", where=self._url, fix="ask who runs it")
        return found

    def change(self, endpoint: str, form: Mapping[str, str]) -> TokenReply:
        """A code, or a refresh token, for a token. Raises `Unauthenticated` where that is refused,
        `IssuerUnavailable`."""
        return self._ask(endpoint, urlencode(form).encode(), TokenReply)

    def give_back(self, endpoint: str, form: Mapping[str, str]) -> None:
        """A refresh token, which ends its login. Raises as `change` does."""
        self._ask(endpoint, urlencode(form).encode(), RevocationReply)

    def _ask(self, url: str, form: bytes | None, kind: type[Reply]) -> Reply:
        try:
            with self._opener.open(urllib.request.Request(url, form), timeout=LIMIT_S) as answer:  # noqa: S310
                return msgspec.json.decode(answer.read(MOST_BYTES), type=kind)
        except urllib.error.HTTPError as error:
            with error:
                if form is not None and error.code in (400, 401):
                    raise Unauthenticated("what the login gave was refused", where=url, fix="log in again") from error
            raise _unavailable(url, error) from error
        except (OSError, HTTPException, msgspec.MsgspecError, ValueError) as error:
            raise _unavailable(url, error) from error


class BrowserSide(LoopbackPages):
    """Where the browser comes back to (RFC 8252 section 7.3)."""

    def __init__(self) -> None:
        self._queries: SimpleQueue[str] = SimpleQueue()
        queries = self._queries

        class Page(LoopbackPage):
            timeout = LIMIT_S

            def do_GET(self) -> None:
                parts = urlsplit(self.path)
                if parts.path != "/" or not parts.query:
                    self.send_error(404)
                    return
                with suppress(ConnectionError):  # a browser that does not stay for the page has said all
                    self.show(200, DONE, content_security_policy="default-src 'none'", referrer_policy="no-referrer")
                queries.put(parts.query)

        super().__init__(Page)

    @property
    def redirect(self) -> str:
        return f"http://{HOST}:{self.port}/"

    def query(self, limit_s: float) -> str:
        """What the browser came back with. Raises `IssuerUnavailable` when it did not for `limit_s` seconds."""
        try:
            return self._queries.get(timeout=limit_s)
        except Empty as error:
            raise IssuerUnavailable("nobody logged in", where="browser", fix="dissonance login, once more") from error


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """A code goes to the address that was discovered and nowhere else."""

    def redirect_request(self, *_: object) -> None:
        return None


def _unavailable(url: str, error: Exception) -> IssuerUnavailable:
    what, fix = _told(error)
    return IssuerUnavailable(what, where=url, fix=fix)


def _told(error: Exception) -> tuple[str, str]:
    """What is wrong, and how to mend it."""
    reason = getattr(error, "reason", error)
    if isinstance(error, urllib.error.HTTPError):
        return f"it answers with {error.code} {reason}", "see the log of that proposer, and try again"
    if isinstance(reason, ssl.SSLCertVerificationError):
        return (
            f"its certificate is not trusted: {reason.verify_message}",
            "name who vouches for it when you log in: --ca",
        )
    if isinstance(error, OSError):  # what urllib raises is one
        return f"nobody answers: {reason}", "start its proposer (dissonance run), or log in at the address that it says"
    return "what answers is no issuer of Dissonance", "log in at the address that `dissonance run` says"
