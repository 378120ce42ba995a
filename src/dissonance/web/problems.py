"""Errors as `application/problem+json` (RFC 9457): what, where, how to mend it (design 6.3).

The type of a problem is `urn:dissonance:problem:<slug>`; docs/problems.md has a section for each. Of a fault on our
side (500 and up) the answer tells the kind and the request id; the details are in the log under that id.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence

import msgspec
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match
from starlette.types import Scope

from dissonance.errors import (
    DissonanceError,
    Forbidden,
    InputError,
    MethodNotAllowed,
    TooMany,
    Unauthenticated,
    UnknownRoute,
)
from dissonance.security.permissions import Permission
from dissonance.telemetry.logs import log
from dissonance.telemetry.names import LogAction
from dissonance.web.access_trail import KEY
from dissonance.web.admission import authenticate
from dissonance.web.middleware.request_id import request_id
from dissonance.web.routes import ProtectedRoute

PROBLEM_TYPE = "application/problem+json"
TYPE_PREFIX = "urn:dissonance:problem:"
RETRY_AFTER_S = 1  # seconds; what engines need to come back is not known, roles themselves try again after this long

_logger = logging.getLogger(__name__)


class Problem(msgspec.Struct, frozen=True, omit_defaults=True):
    """What went wrong. `where` is the field, header or part it is about, `fix` what helps."""

    type: str
    title: str
    status: int
    detail: str
    instance: str
    request_id: str
    where: str = ""
    fix: str = ""


def problem_reply(error: DissonanceError, scope: Scope) -> Response:
    """
    >>> from dissonance.errors import UnknownTask
    >>> problem_reply(UnknownTask("no task is named 'x'", where="task"), {"path": "/v1/tasks/x/check"}).status_code
    404
    """
    body = Problem(
        type=TYPE_PREFIX + error.slug,
        title=error.title,
        status=error.status,
        detail=error.what if error.status < 500 else error.title,
        instance=scope["path"],
        request_id=request_id(scope),
        where=error.where,
        fix=error.fix,
    )
    content = msgspec.json.encode(body)
    scope[KEY] = error.slug
    route = scope.get("route")
    if isinstance(route, ProtectedRoute) and route.declaration.problem_members is not None:
        content = msgspec.json.encode({**msgspec.to_builtins(body), **route.declaration.problem_members(error)})
    return Response(content, error.status, _headers(error, scope), media_type=PROBLEM_TYPE)


def shown(error: DissonanceError) -> str:
    """What a caller may read of an error: of a fault on our side its kind only."""
    return str(error) if error.status < 500 else error.title


def _headers(error: DissonanceError, scope: Scope) -> dict[str, str]:
    """RFC 6750 section 3 for 401 and 403, RFC 9110 section 10.2.3 for 429 and 503."""
    if error.status == 401:
        came = any(name == b"authorization" for name, _ in scope.get("headers", ()))
        return {"www-authenticate": 'Bearer realm="dissonance"' + (', error="invalid_token"' if came else "")}
    if isinstance(error, Forbidden):
        return {"www-authenticate": 'Bearer realm="dissonance", error="insufficient_scope"'}
    if isinstance(error, TooMany):
        return {"retry-after": str(max(RETRY_AFTER_S, math.ceil(error.retry_after_s)))}
    if error.status == 503:
        return {"retry-after": str(RETRY_AFTER_S)}
    return {}


async def on_dissonance_error(request: Request, error: Exception) -> Response:
    """Handler of the app for `DissonanceError`."""
    assert isinstance(error, DissonanceError)
    return logged_problem(error, request.scope)


def logged_problem(error: DissonanceError, scope: Scope) -> Response:
    """The problem; of a fault on our side, and of a credential that was refused, the log has what it does not say."""
    if isinstance(error, Unauthenticated):
        log(_logger, LogAction.CREDENTIAL_REFUSED, request_id=request_id(scope), reason=error.reason)
    if error.status >= 500:
        log(
            _logger,
            LogAction.HTTP_FAILED,
            logging.ERROR,
            request_id=request_id(scope),
            slug=error.slug,
            what=error.what,
            where=error.where,
        )
    return problem_reply(error, scope)


async def on_http_exception(request: Request, error: Exception) -> Response:
    """Handler of the app for what Starlette raises: an unknown route or method. Who asks is looked at first: without a
    token nobody learns what there is."""
    assert isinstance(error, HTTPException)
    path, method = request.scope["path"], request.method
    route = request.scope.get("route")
    if not (isinstance(route, ProtectedRoute) and route.declaration.permission is Permission.PUBLIC):
        try:
            authenticate(request.scope, request.app.state.verifier, request.app.state.lockout)
        except DissonanceError as refused:
            return logged_problem(refused, request.scope)
    if error.status_code == 405:
        allowed = _allowed(request)
        reply = problem_reply(
            MethodNotAllowed(f"{path} does not take {method}", where="method", fix=f"use {allowed}"), request.scope
        )
        reply.headers["allow"] = allowed
        return reply
    if error.status_code == 404:
        return problem_reply(
            UnknownRoute(f"there is nothing at {path}", where="path", fix="see /openapi.json"), request.scope
        )
    return problem_reply(InputError("the request cannot be read", where="request"), request.scope)


def _allowed(request: Request) -> str:
    """Methods of all routes at this address (RFC 9110, section 15.5.6); Starlette knows those of the first one only."""
    routes: Sequence[ProtectedRoute] = request.app.protected_routes
    found = {
        method
        for route in routes
        if route.matches(request.scope)[0] is not Match.NONE
        for method in route.methods or ()
    }
    return ", ".join(sorted(found))


async def on_parameter_error(request: Request, error: Exception) -> Response:
    """Handler of the app for parameters of path and query that FastAPI refused; names the first."""
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    where = " ".join(str(part) for part in first["loc"])
    return problem_reply(InputError(str(first["msg"]), where=where, fix="see /openapi.json"), request.scope)


def unexpected_problem(scope: Scope) -> Response:
    """What a caller sees of an error nobody foresaw: nothing but where to look it up."""
    error = DissonanceError("", fix="report it with the request id; the log has the rest")
    return problem_reply(error, scope)
