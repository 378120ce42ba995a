"""Hot routes past the router: a plain request to one goes from its bytes to its handler without an ASGI call.

Everything that holds for a route holds here: the caller is admitted first, by the same permission; errors are the same
problems; headers, counts and log lines are the same. What is not plain (parameters in the query, another content type
coming or going, a header that comes twice), or has to wait for something before it can be taken, goes the long way,
where the same address is served with all that it can do.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any, NamedTuple, Protocol, cast

from starlette.responses import Response
from starlette.types import Scope

from dissonance.errors import Unauthenticated
from dissonance.security.identity import Identity
from dissonance.telemetry.metrics import Metrics
from dissonance.web.admission import TASK_PARAMETER, admit, admit_again, bearer_token, identity_or_none
from dissonance.web.lockout import Lockout
from dissonance.web.middleware.access import ABORTED, AccessLog
from dissonance.web.middleware.request_id import HEADER as REQUEST_ID
from dissonance.web.middleware.request_id import RequestIds
from dissonance.web.middleware.safe_headers import HEADERS as SAFE_HEADERS
from dissonance.web.middleware.unexpected import Boundary
from dissonance.web.rate_limits import Verifier
from dissonance.web.routes import ProtectedRoute, Takes

TASKS = "/v1/tasks/"
JSON = b"application/json"
ARROW = b"application/vnd.apache.arrow."
KNOWN_HEADS = 1024
OF_ONE_REQUEST = frozenset({REQUEST_ID, b"idempotency-key"})


class Writes(Protocol):
    """Sends an answer: its status, its header lines without `content-length`, its body."""

    def __call__(self, status: int, lines: bytes, body: bytes) -> None: ...


def header_lines(headers: Iterable[tuple[bytes, bytes]]) -> bytes:
    """
    >>> header_lines([(b"retry-after", b"1")])
    b'retry-after: 1\\r\\n'
    """
    return b"".join([b"%b: %b\r\n" % header for header in headers])


_SAFE_LINES = header_lines(SAFE_HEADERS)
_LINES = header_lines([(b"content-type", JSON)]) + _SAFE_LINES


class KnownHead(NamedTuple):
    """What the head of a request says, without the secret in it, and who was admitted by that.

    `length`: of the body, in bytes.
    """

    length: int
    scope: dict[str, Any]
    identity: Identity


class Direct:
    """`routes` are those of `/v1/tasks/{task}/<word>` that have a direct handler; others are passed over.

    It does for its requests what each middleware does for those of the long way.
    """

    def __init__(
        self,
        routes: Sequence[ProtectedRoute],
        *,
        verifier: Verifier,
        lockout: Lockout,
        metrics: Metrics,
        ids: RequestIds,
        access: AccessLog,
        max_body_bytes: int,
    ) -> None:
        self.verifier = verifier
        self.lockout = lockout
        self.boundary = Boundary(metrics)
        self.ids = ids
        self.access = access
        self._max_body_bytes = max_body_bytes
        self._known: dict[bytes, KnownHead] = {}
        self._default: tuple[Sequence[tuple[bytes, bytes]], bytes] = ((), b"")
        self._routes = {
            (method, route.path.rpartition("/")[2]): route
            for route in routes
            if route.direct is not None
            for method in route.methods or ()
        }

    def begin(self, scope: Scope, write: Writes) -> Exchange | None:
        """A request whose head is there; None when it goes the long way, and nothing was done for it.

        `write` is called once, later, unless its caller leaves in the middle of the body.
        """
        head, _, word = cast(str, scope["path"]).rpartition("/")
        route = self._routes.get((scope["method"], word))
        task = head[len(TASKS) :]
        if route is None or scope["query_string"] or not head.startswith(TASKS) or not task or "/" in task:
            return None
        headers = dict(scope["headers"])
        if len(headers) < len(scope["headers"]) or not self._is_plain(headers) or not self._at_hand(scope):
            return None
        assert route.direct is not None
        takes = route.direct(task)
        if takes is None:
            return None
        scope["route"] = route
        scope["path_params"] = {TASK_PARAMETER: task}
        admits = partial(admit, scope, route.declaration.permission, self.verifier, self.lockout)
        return Exchange(self, scope, takes, write, self.ids.give(scope), admits)

    def remember(self, digest: bytes, exchange: Exchange) -> None:
        """The head of a request by its SHA-256: others with the very same need not be read, while its caller may come.

        Not one that was refused, and not one with an id of its own, which hardly comes again.
        """
        scope, identity = exchange.scope, exchange.admitted
        if identity is None or any(name in OF_ONE_REQUEST for name, _ in scope["headers"]):
            return
        if len(self._known) >= KNOWN_HEADS:
            self._known.clear()
        kept = {name: scope[name] for name in ("type", "method", "path", "query_string", "route", "path_params")}
        kept["headers"] = [(name, b"" if name == b"authorization" else value) for name, value in scope["headers"]]
        length = int(dict(scope["headers"])[b"content-length"])
        self._known[digest] = KnownHead(length, kept, identity)

    def begin_again(self, digest: bytes, length: int, client: tuple[str, int] | None, write: Writes) -> Exchange | None:
        """As `begin`, for a head that is known by its SHA-256; None also when it is not, or when its body has another
        length. `client`: at the other end of this connection."""
        known = self._known.get(digest)
        if known is None or known.length != length:
            return None
        if not self.verifier.remembers(known.identity):
            del self._known[digest]
            return None
        scope = known.scope.copy()
        scope["client"] = client
        takes = scope["route"].direct(scope["path_params"][TASK_PARAMETER])
        if takes is None:
            return None
        admits = partial(admit_again, scope, known.identity, self.verifier)
        return Exchange(self, scope, takes, write, self.ids.give_ours(scope), admits)

    def default_lines(self, headers: Sequence[tuple[bytes, bytes]]) -> bytes:
        """The lines of headers that all answers of a second have alike, `date` among them: the server replaces the list
        when they change."""
        if self._default[0] is not headers:
            self._default = (headers, header_lines(headers))
        return self._default[1]

    def _at_hand(self, scope: Scope) -> bool:
        """Whether it is known without waiting who sent it. Who sent no token is refused without waiting too."""
        try:
            return self.verifier.at_hand(bearer_token(scope))
        except Unauthenticated:
            return True

    def _is_plain(self, headers: dict[bytes, bytes]) -> bool:
        """Plain JSON both ways, of a length that is announced and allowed: the server takes no byte beyond it."""
        if headers.get(b"content-type") != JSON or b"content-encoding" in headers or b"upgrade" in headers:
            return False
        length = headers.get(b"content-length", b"")
        fits = length.isdigit() and int(length) <= self._max_body_bytes and b"transfer-encoding" not in headers
        return fits and ARROW not in headers.get(b"accept", b"")


class Exchange:
    """One plain request, from its head to its answer. Its caller is admitted, or refused, before the body is there.

    `header` says its id in the answer. `admitted` is who that is; None for one that was refused.
    """

    __slots__ = ("_direct", "_header", "_started_us", "_takes", "_waits_for_body", "_write", "admitted", "scope")

    def __init__(
        self,
        direct: Direct,
        scope: Scope,
        takes: Takes,
        write: Writes,
        header: tuple[bytes, bytes],
        admits: Callable[[], None],
    ) -> None:
        self._direct = direct
        self.scope = scope
        self._takes = takes
        self._write = write
        self._started_us = direct.access.now_us()
        self._header = header
        self._waits_for_body = True
        self.admitted: Identity | None = None
        refusal = direct.boundary.attempt(scope, admits)
        if refusal is None:
            self.admitted = identity_or_none(scope)
        else:
            self._refuse(refusal)

    def take(self, body: bytes) -> None:
        """The body is there, whole."""
        if not self._waits_for_body:
            return
        self._waits_for_body = False
        refusal = self._direct.boundary.attempt(self.scope, partial(self._takes, self.scope, body, self._answer))
        if refusal is not None:
            self._refuse(refusal)

    def leave(self) -> None:
        """The caller went away. What it has asked for by then is done nevertheless."""
        if self._waits_for_body:
            self._waits_for_body = False
            self._direct.access.record(self.scope, ABORTED, self._started_us)

    def _refuse(self, problem: Response) -> None:
        """Not at once: the server is still reading what came."""
        self._waits_for_body = False
        asyncio.get_running_loop().call_soon(self._answer, lambda: problem)

    def _answer(self, makes_reply: Callable[[], bytes | Response]) -> None:
        made = self._direct.boundary.attempt(self.scope, makes_reply)
        if isinstance(made, Response):
            headers = [header for header in made.raw_headers if header[0] != b"content-length"]
            status, lines, body = made.status_code, header_lines(headers) + _SAFE_LINES, bytes(made.body)
        else:
            status, lines, body = 200, _LINES, made
        self._write(status, b"%b%b: %b\r\n" % (lines, *self._header), body)
        self._direct.access.record(self.scope, status, self._started_us)
