"""One log line, one count and one duration for every request, by route template (never by path: paths carry ids)."""

from __future__ import annotations

import logging

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from dissonance.ports.clock import Clock
from dissonance.telemetry.logs import log
from dissonance.telemetry.metrics import Metrics
from dissonance.telemetry.names import LogAction
from dissonance.web.access_trail import AccessTrail, request_seen
from dissonance.web.admission import identity_or_none
from dissonance.web.middleware.request_id import request_id

UNKNOWN_ROUTE = "unknown"
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
ABORTED = 499  # the caller went away before it was answered (as nginx counts it)

_logger = logging.getLogger(__name__)


class AccessLog:
    """Tells the audit trail, too (`web.access_trail`). Durations are by the port clock: a clock that was set back
    counts as 0 s. Answers below 400 are logged at DEBUG, since the metrics have them; the others at INFO, faults of
    ours at ERROR."""

    def __init__(self, metrics: Metrics, clock: Clock, trail: AccessTrail) -> None:
        self._trail = trail
        self._count = metrics.answered_requests.count
        self.now_us = clock.now_us

    def record(self, scope: Scope, status: int, started_us: int) -> None:
        """A request that was answered now, or left (`ABORTED`)."""
        now_us = self.now_us()
        duration_us = max(0, now_us - started_us)
        # The template is known once a route was found; before that every path is the same to us.
        found = scope.get("route")
        route = getattr(found, "path", UNKNOWN_ROUTE)
        identity = identity_or_none(scope)
        declaration = getattr(found, "declaration", None)
        seen = request_seen(
            scope, status, identity.name if identity else "", declaration.permission if declaration else None, route
        )
        if seen is not None:
            self._trail.note(seen, now_us, request_id(scope))
        method = scope["method"] if scope["method"] in METHODS else "OTHER"
        self._count(method, route, status, duration_us / 1e6)
        level = logging.DEBUG if status < 400 else logging.INFO if status < 500 else logging.ERROR
        if not _logger.isEnabledFor(level):
            return
        log(
            _logger,
            LogAction.HTTP_ANSWERED,
            level,
            request_id=request_id(scope),
            method=method,
            route=route,
            task=scope.get("path_params", {}).get("task"),
            status=status,
            duration_us=duration_us,
            client=identity.name if identity else None,
        )


class Access:
    def __init__(self, app: ASGIApp, log: AccessLog) -> None:
        self._app = app
        self._log = log

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started_us = self._log.now_us()
        status = ABORTED

        async def send_and_note(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, send_and_note)
        finally:
            self._log.record(scope, status, started_us)
