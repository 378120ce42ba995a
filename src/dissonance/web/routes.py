"""How a role declares its routes: every route names exactly one permission, what it reads, replies and refuses.

The caller is admitted before anything of the request is validated: `ProtectedRoute` decides first, then FastAPI reads
path and query, then the handler reads the body (`web.bodies.read_body`).

>>> from starlette.requests import Request
>>> from starlette.responses import Response
>>> from dissonance.contracts.api import LabelsReply, LabelsRequest
>>> router = ProtectedRouter()
>>> @router.protected("POST", "/v1/tasks/{task}/labels", permission=Permission.LABEL, body=LabelsRequest,
...                   reply=LabelsReply)
... async def labels(request: Request, task: str) -> Response:
...     "Take labels for predictions."
...     ...
>>> [route.path for route in router.routes]
['/v1/tasks/{task}/labels']
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine, Iterable, Sequence
from typing import Any, TypeVar

import msgspec
from fastapi.routing import APIRoute, APIRouter
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute
from starlette.types import Scope

from dissonance.errors import ConfigurationError, DissonanceError, InputError
from dissonance.security.permissions import Permission
from dissonance.web.admission import admit, prepare

ALIVE_PATHS = frozenset({"/livez", "/readyz", "/v2/health/live", "/v2/health/ready", "/ping", "/health"})
LOGIN_PATHS = frozenset(
    {
        "/.well-known/oauth-authorization-server",
        "/oauth/keys",
        "/oauth/token",
        "/oauth/authorize",
        "/oauth/revoke",
    }
)
"""Where whoever has no token yet gets one, and gives back what the next would be had for."""

PUBLIC_PATHS = ALIVE_PATHS | LOGIN_PATHS

Handler = TypeVar("Handler", bound=Callable[..., Awaitable[Response]])

MakesReply = Callable[[], bytes]
"""Gives the JSON of an answer, or raises what its caller is told."""

Takes = Callable[[Scope, bytes, Callable[[MakesReply], None]], None]
"""Takes an admitted request and its body, and calls the last once the answer is known: later, never before it returns.
Raises what the caller is told when it does not take the request."""

DirectHandler = Callable[[str], Takes | None]
"""For a task what takes its plain requests (`web.direct`); None while something would have to be waited for first."""


class Refusals(msgspec.Struct, frozen=True):
    """What is said in the words of another protocol where others of our routes tell of a problem: of which statuses, in
    which media type. A status of 300 to 399 sends on, and says nothing. `body` None: text."""

    statuses: tuple[int, ...]
    media_type: str
    body: type[msgspec.Struct] | None = None


class Declaration(msgspec.Struct, frozen=True, kw_only=True):
    """What a route is to others. `body` and `reply` are contracts; `body_type` and `reply_type` name another kind than
    JSON.

    `other_bodies` and `other_replies` are media types that it reads and writes beside those. `problem_members` are what
    clients of a foreign protocol look for in a problem (RFC 9457 section 3.2). `refusals` are in place of problems.
    """

    permission: Permission
    body: type[msgspec.Struct] | None = None
    body_type: str = "application/json"
    reply: type[msgspec.Struct] | None = None
    reply_type: str = "application/json"
    problems: tuple[type[DissonanceError], ...] = ()
    other_bodies: tuple[str, ...] = ()
    other_replies: tuple[str, ...] = ()
    problem_members: Callable[[DissonanceError], dict[str, str]] | None = None
    refusals: Refusals | None = None


class ProtectedRoute(APIRoute):
    """A route that admits the caller before it reads anything else. The verifier is `app.state.verifier`."""

    def __init__(
        self,
        path: str,
        endpoint: Callable[..., Any],
        *,
        declaration: Declaration,
        direct: DirectHandler | None = None,
        **more: Any,
    ) -> None:
        self.declaration = declaration  # get_route_handler, called by the constructor, needs it
        self.direct = direct
        super().__init__(path, endpoint, **more)

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()
        permission = self.declaration.permission
        of_a_task = bool(self.param_convertors)
        known = frozenset(parameter.alias for parameter in self.dependant.query_params)

        async def admit_and_handle(request: Request) -> Response:
            await prepare(request.scope, permission, request.app.state.verifier)
            admit(request.scope, permission, request.app.state.verifier, request.app.state.lockout)
            if of_a_task and request.scope["query_string"]:
                _refuse_unknown(request.query_params, known)
            return await handle(request)

        return admit_and_handle


def _refuse_unknown(given: Iterable[str], known: frozenset[str]) -> None:
    """A misspelt parameter must not be passed over: the answer would be another one than was asked for."""
    for name in sorted(set(given) - known):
        shown = f"the parameters are {', '.join(sorted(known))}" if known else "the address takes none"
        raise InputError("there is no such parameter", where=f"query {name[:60]}", fix=shown)


class ProtectedRouter(APIRouter):
    """A role's routes. Only `protected` adds routes that `web.app.create_app` accepts."""

    def protected(
        self,
        method: str,
        path: str,
        *,
        permission: Permission,
        body: type[msgspec.Struct] | None = None,
        body_type: str = "application/json",
        reply: type[msgspec.Struct] | None = None,
        reply_type: str = "application/json",
        problems: Sequence[type[DissonanceError]] = (),
        name: str | None = None,
        direct: DirectHandler | None = None,
        other_bodies: Sequence[str] = (),
        other_replies: Sequence[str] = (),
        problem_members: Callable[[DissonanceError], dict[str, str]] | None = None,
        refusals: Refusals | None = None,
    ) -> Callable[[Handler], Handler]:
        """Decorator for `async def handler(request: Request, <path and query parameters>) -> Response`.

        `direct` answers plain requests in its place, past the router.
        `problems` are errors beyond those that every route may raise. The operation id is `name`, else the
        function's name; the first line of its docstring is the summary.
        """
        declaration = Declaration(
            permission=permission,
            body=body,
            body_type=body_type,
            reply=reply,
            reply_type=reply_type,
            problems=tuple(problems),
            other_bodies=tuple(other_bodies),
            other_replies=tuple(other_replies),
            problem_members=problem_members,
            refusals=refusals,
        )

        def declare(handler: Handler) -> Handler:
            route = ProtectedRoute(
                path,
                handler,
                declaration=declaration,
                direct=direct,
                methods=[method],
                operation_id=name or handler.__name__,
                response_model=None,
            )
            self.routes.append(route)
            return handler

        return declare


def checked_routes(routers: Sequence[APIRouter]) -> list[ProtectedRoute]:
    """All routes of the routers. Raises `ConfigurationError` unless each has a permission of its own (design 6.1),
    only those of `PUBLIC_PATHS` are public, and no operation or address is declared twice."""
    routes: list[ProtectedRoute] = []
    seen: set[str] = set()
    for route in (route for router in routers for route in router.routes):
        protected = _protected(route)
        names = {str(protected.operation_id), *(f"{method} {protected.path}" for method in protected.methods or ())}
        if names & seen:
            raise ConfigurationError(f"declared twice: {', '.join(sorted(names & seen))}", where="routes")
        seen |= names
        routes.append(protected)
    return routes


def _protected(route: BaseRoute) -> ProtectedRoute:
    path = getattr(route, "path", repr(route))
    if not isinstance(route, ProtectedRoute):
        raise ConfigurationError(
            f"the route {path} declares no permission", where="routes", fix="declare it with ProtectedRouter.protected"
        )
    if route.declaration.permission is Permission.PUBLIC and path not in PUBLIC_PATHS:
        raise ConfigurationError(f"the route {path} may not be public", where="routes", fix="give it a permission")
    return route
