"""The one place where every exception is caught: the caller gets a problem without internals, we get a log line and a
count. It is caught here and not left to the server, whose log would quote the exception's message, and with it a row.
"""

from __future__ import annotations

import logging

from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from dissonance.telemetry.logs import log_exception
from dissonance.telemetry.metrics import Metrics
from dissonance.telemetry.names import LogAction
from dissonance.web.middleware.request_id import request_id
from dissonance.web.problems import unexpected_problem


class AnswerBroken(RuntimeError):
    """An answer that had begun cannot be finished: the connection is closed. Carries no message of the cause."""


class Unexpected:
    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics
        self._logger = logging.getLogger(__name__)

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
        except Exception as error:  # noqa: BLE001 - the boundary: every answer is a typed one (design 6.3)
            self._metrics.unexpected_errors.labels("http").inc()
            log_exception(self._logger, LogAction.HTTP_FAILED, error, request_id=request_id(scope))
            if begun:
                raise AnswerBroken("an answer broke off; see the log") from None
            await unexpected_problem(scope)(scope, receive, send)
