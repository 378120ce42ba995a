"""The two sides that a login from a command talks to: the issuer, and the browser that comes back from it."""

from __future__ import annotations

import ssl
import urllib.error
import urllib.request
from collections.abc import Mapping
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from queue import Empty, SimpleQueue
from threading import Thread
from types import TracebackType
from typing import Self, TypeVar
from urllib.parse import urlencode, urlsplit

import msgspec

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
        except (urllib.error.URLError, OSError, msgspec.MsgspecError, ValueError) as error:
            raise _unavailable(url, error) from error


class BrowserSide:
    """Listens on this computer alone, on any free port, for the browser to come back (RFC 8252 section 7.3).

    Connections are answered side by side: browsers open some that they may never use.
    """

    def __init__(self) -> None:
        self._queries: SimpleQueue[str] = SimpleQueue()
        queries = self._queries

        class Handler(BaseHTTPRequestHandler):
            timeout = LIMIT_S

            def do_GET(self) -> None:
                parts = urlsplit(self.path)
                if parts.path != "/" or not parts.query:
                    self.send_error(404)
                    return
                with suppress(ConnectionError):  # a browser that does not stay for the page has said all
                    self.send_response(200)
                    self.send_header("content-type", "text/html; charset=utf-8")
                    self.send_header("content-security-policy", "default-src 'none'")
                    self.send_header("referrer-policy", "no-referrer")
                    self.end_headers()
                    self.wfile.write(DONE)
                queries.put(parts.query)

            def log_message(self, format: str, *args: object) -> None:
                """Nothing: the address has a code in it."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = Thread(target=self._server.serve_forever, daemon=True)

    @property
    def redirect(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}/"

    def query(self, limit_s: float) -> str:
        """What the browser came back with. Raises `IssuerUnavailable` when it did not for `limit_s` seconds."""
        try:
            return self._queries.get(timeout=limit_s)
        except Empty as error:
            raise IssuerUnavailable("nobody logged in", where="browser", fix="dissonance login, once more") from error

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """A code goes to the address that was discovered and nowhere else."""

    def redirect_request(self, *_: object) -> None:
        return None


def _unavailable(url: str, error: Exception) -> IssuerUnavailable:
    reason = getattr(error, "reason", error)
    return IssuerUnavailable(
        f"it does not answer as an issuer does: {reason}", where=url, fix="give its address, and its --ca"
    )
