"""Routes that every process has: liveness, readiness, configuration, metrics, and the API's own description."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from dissonance.security.permissions import Permission
from dissonance.telemetry.metrics import EXPOSITION_TYPE, Metrics
from dissonance.web.bodies import json_reply
from dissonance.web.configuration import without_secrets
from dissonance.web.health import Alive, Health, Readiness
from dissonance.web.routes import ProtectedRouter


class Configuration(msgspec.Struct, frozen=True):
    """Settings of the process; secrets are `***`."""

    settings: dict[str, Any]


def system_routes(health: Health, metrics: Metrics, settings: Mapping[str, object]) -> ProtectedRouter:
    router = ProtectedRouter()
    configuration = Configuration(without_secrets(settings))

    @router.protected("GET", "/livez", permission=Permission.PUBLIC, reply=Alive)
    async def livez(request: Request) -> Response:
        """The process is alive."""
        return json_reply(Alive())

    @router.protected("GET", "/readyz", permission=Permission.PUBLIC, reply=Readiness)
    async def readyz(request: Request) -> Response:
        """Every role is ready, or why not. Answers 503 with the same body while one is not."""
        readiness = await health.readiness()
        return json_reply(readiness, 200 if readiness.ready else 503)

    @router.protected("GET", "/config", permission=Permission.CONFIGURATION, reply=Configuration)
    async def config(request: Request) -> Response:
        """The settings in force, without secrets."""
        return json_reply(configuration)

    @router.protected("GET", "/metrics", permission=Permission.METRICS, reply_type="text/plain")
    async def metrics_text(request: Request) -> Response:
        """Metrics in the Prometheus text format."""
        return Response(metrics.text(), headers={"content-type": EXPOSITION_TYPE})

    @router.protected("GET", "/openapi.json", permission=Permission.CONFIGURATION)
    async def openapi_document(request: Request) -> Response:
        """This description."""
        return Response(msgspec.json.encode(request.app.openapi()), media_type="application/json")

    return router
