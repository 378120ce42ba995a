"""The app factory: one FastAPI app per process, with the routes of its roles."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRouter
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.types import ASGIApp, Receive, Scope, Send

from dissonance import __version__
from dissonance.errors import DissonanceError
from dissonance.ports.clock import Clock, Randomness
from dissonance.telemetry.metrics import Metrics
from dissonance.web.access_trail import AccessTrail
from dissonance.web.direct import Direct
from dissonance.web.health import Health, HealthCheck
from dissonance.web.lockout import Lockout
from dissonance.web.middleware.access import Access, AccessLog
from dissonance.web.middleware.body_limit import BodyLimit
from dissonance.web.middleware.request_id import RequestId, RequestIds
from dissonance.web.middleware.safe_headers import SafeHeaders
from dissonance.web.middleware.unexpected import Boundary, Unexpected
from dissonance.web.openapi import openapi_document
from dissonance.web.problems import on_dissonance_error, on_http_exception, on_parameter_error
from dissonance.web.rate_limits import Verifier
from dissonance.web.routes import ProtectedRoute, checked_routes
from dissonance.web.system import system_routes


class DissonanceApp(FastAPI):
    """FastAPI behind our own entrance, which describes its protected routes itself."""

    protected_routes: Sequence[ProtectedRoute] = ()
    entrance: ASGIApp | None = None
    """What a request meets before FastAPI."""

    direct: Direct | None = None
    """What a server may ask first, of requests that need no ASGI call (`web.direct_protocol`)."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await (self.entrance or super().__call__)(scope, receive, send)

    def openapi(self) -> dict[str, Any]:
        if self.openapi_schema is None:
            self.openapi_schema = openapi_document(self.title, self.version, self.protected_routes)
        return self.openapi_schema


def create_app(
    routers: Sequence[APIRouter],
    *,
    verifier: Verifier,
    clock: Clock,
    randomness: Randomness,
    metrics: Metrics,
    health: Mapping[str, HealthCheck],
    configuration: Mapping[str, object],
    max_body_bytes: int,
    engines: Callable[[], Mapping[str, str]] = dict,
    title: str = "Dissonance",
) -> DissonanceApp:
    """The app with the routes of `routers` and those of `web.system`.

    `health` maps each role of the process to its readiness check; `engines` says how the circuit breakers stand.
    `configuration` is masked by `web.configuration.without_secrets` before it is shown. Raises `ConfigurationError` for
    a route without a permission, a public one that may not be, or one declared twice.
    """
    checks = Health(health, clock, engines=engines)
    system = system_routes(checks, metrics, configuration)
    routes = checked_routes([system, *routers])
    app = DissonanceApp(
        title=title,
        version=__version__,
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        middleware=[Middleware(Unexpected, boundary=Boundary(metrics))],
        exception_handlers={
            DissonanceError: on_dissonance_error,
            HTTPException: on_http_exception,
            RequestValidationError: on_parameter_error,
        },
    )
    lockout, trail = Lockout(clock), AccessTrail(clock, metrics)
    app.state.verifier = verifier
    app.state.lockout = lockout
    app.state.trail = trail
    app.state.health = checks
    app.protected_routes = routes
    # The roles' routes first: they are the hot ones, and routes are tried in order.
    app.router.routes.extend(sorted(routes, key=lambda route: route in system.routes))
    ids, access = RequestIds(prefix=randomness.token(8).hex()), AccessLog(metrics, clock, trail)
    inner = SafeHeaders(BodyLimit(partial(FastAPI.__call__, app), max_body_bytes=max_body_bytes))
    app.entrance = RequestId(Access(inner, access), ids)
    app.direct = Direct(
        routes,
        verifier=verifier,
        lockout=lockout,
        metrics=metrics,
        ids=ids,
        access=access,
        max_body_bytes=max_body_bytes,
    )
    app.openapi()  # a contract that cannot be described stops the start, not the first reader
    return app
