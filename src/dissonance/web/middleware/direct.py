"""Hot routes past the router: a plain request to one goes from its bytes to its handler in one step.

Everything that holds for a route holds here: the caller is admitted first, by the same permission; errors are the same
problems. What is not plain (parameters in the query, another content type coming or going, a header that comes twice)
takes the long way, where the same address is served with all that it can do.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from dissonance.errors import DissonanceError
from dissonance.telemetry.metrics import Metrics
from dissonance.web.admission import TASK_PARAMETER, admit
from dissonance.web.bodies import read_all
from dissonance.web.middleware.access import ABORTED, AccessLog
from dissonance.web.middleware.request_id import HEADER as REQUEST_ID
from dissonance.web.middleware.request_id import RequestIds, request_id
from dissonance.web.middleware.safe_headers import HEADERS as SAFE_HEADERS
from dissonance.web.middleware.unexpected import Unexpected
from dissonance.web.problems import on_dissonance_error
from dissonance.web.rate_limits import Verifier
from dissonance.web.routes import ProtectedRoute
from dissonance.web.whole import lines, whole_answer

TASKS = "/v1/tasks/"
JSON = b"application/json"
ARROW = b"application/vnd.apache.arrow."
_CONTENT_TYPE = (b"content-type", JSON)
_HEAD = lines([_CONTENT_TYPE, *SAFE_HEADERS])


class Direct:
    """`routes` are those of `/v1/tasks/{task}/<word>` that have a direct handler; others are passed over.

    It stands before all other middleware, and does for its requests what each of them does for those of the long way.
    """

    def __init__(
        self,
        app: ASGIApp,
        routes: Sequence[ProtectedRoute],
        *,
        verifier: Verifier,
        metrics: Metrics,
        ids: RequestIds,
        access: AccessLog,
        max_body_bytes: int,
    ) -> None:
        self._app = app
        self._verifier = verifier
        self._ids = ids
        self._access = access
        self._max_body_bytes = max_body_bytes
        self._answer_safely = Unexpected(self._answer, metrics)
        self._routes = {
            (method, route.path.rpartition("/")[2]): route
            for route in routes
            if route.direct is not None
            for method in route.methods or ()
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        route = self._route(scope) if scope["type"] == "http" else None
        if route is None:
            await self._app(scope, receive, send)
            return
        started_us, status = self._access.now_us(), ABORTED
        scope["route"] = route
        identifier = self._ids.give(scope)

        async def send_safely(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message["headers"], *SAFE_HEADERS, identifier]
            await send(message)

        try:
            await self._answer_safely(scope, receive, send_safely)
        finally:
            whole = whole_answer(scope)
            self._access.record(scope, 200 if whole is not None and whole.sent else status, started_us)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        route: ProtectedRoute = scope["route"]
        assert route.direct is not None
        try:
            admit(scope, route.declaration.permission, self._verifier)
            reply = await route.direct(scope, await read_all(receive))
        except DissonanceError as error:
            answer = await on_dissonance_error(Request(scope), error)
            await answer(scope, receive, send)
            return
        whole = whole_answer(scope)
        if whole is not None and whole(_HEAD + lines([(REQUEST_ID, request_id(scope).encode())]), reply):
            return
        headers = [_CONTENT_TYPE, (b"content-length", str(len(reply)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": reply})

    def _route(self, scope: Scope) -> ProtectedRoute | None:
        head, _, word = cast(str, scope["path"]).rpartition("/")
        route = self._routes.get((scope["method"], word))
        task = head[len(TASKS) :]
        if route is None or scope["query_string"] or not head.startswith(TASKS) or not task or "/" in task:
            return None
        headers = dict(scope["headers"])
        if len(headers) < len(scope["headers"]) or not self._is_plain(headers):
            return None
        scope["path_params"] = {TASK_PARAMETER: task}
        return route

    def _is_plain(self, headers: dict[bytes, bytes]) -> bool:
        """Plain JSON both ways, of a length that is announced and allowed: the server takes no byte beyond it."""
        if headers.get(b"content-type") != JSON or b"content-encoding" in headers:
            return False
        length = headers.get(b"content-length", b"")
        fits = length.isdigit() and int(length) <= self._max_body_bytes and b"transfer-encoding" not in headers
        return fits and ARROW not in headers.get(b"accept", b"")
