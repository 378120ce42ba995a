"""The one place where every exception is caught: the caller gets a problem without internals, we get a log line and a
count. It is caught here and not left to the server, whose log would quote the exception's message, and with it a row.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TypeVar

from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from dissonance.errors import DissonanceError
from dissonance.telemetry.logs import log_exception
from dissonance.telemetry.metrics import Metrics
from dissonance.telemetry.names import LogAction
from dissonance.web.middleware.request_id import request_id
from dissonance.web.problems import logged_problem, unexpected_problem

T = TypeVar("T")

_logger = logging.getLogger(__name__)


class AnswerBroken(RuntimeError):
    """An answer that had begun cannot be finished: the connection is closed. Carries no message of the cause."""


class Boundary:
    """Between what we do for a request and its caller, for requests that are no ASGI calls."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def attempt(self, scope: Scope, step: Callable[[], T]) -> T | Response:
        """What `step` returns; the problem to answer with when it raises."""
        try:
            return step()
        except DissonanceError as error:
            return logged_problem(error, scope)
        except Exception as error:  # noqa: BLE001 - the boundary: every answer is a typed one (design 6.3)
            return self.unexpected(scope, error)

    def unexpected(self, scope: Scope, error: Exception) -> Response:
        """Counts and logs what nobody foresaw; the problem to answer with."""
        self._metrics.unexpected_errors.labels("http").inc()
        log_exception(_logger, LogAction.HTTP_FAILED, error, request_id=request_id(scope))
        return unexpected_problem(scope)


class Unexpected:
    def __init__(self, app: ASGIApp, boundary: Boundary) -> None:
        self._app = app
        self._boundary = boundary

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        begun = False

        async def send_and_note(message: Message) -> None:
            nonlocal begun
            begun = begun or message["type"] == "http.response.start"
            await send(message)

        try:
            await self._app(scope, receive, send_and_note)
        except ClientDisconnect:
            return  # nobody is there to be answered; nothing of the request was kept
        except Exception as error:  # noqa: BLE001 - as above
            problem = self._boundary.unexpected(scope, error)
            if begun:
                raise AnswerBroken("an answer broke off; see the log") from None
            await problem(scope, receive, send)
