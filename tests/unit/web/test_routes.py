from __future__ import annotations

import pytest
from fastapi.routing import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from dissonance.errors import ConfigurationError
from dissonance.security.permissions import Permission
from dissonance.web.routes import ProtectedRouter
from support.access import LocalAccess
from support.api import check_router, echo_app
from support.asgi import call


async def handler(request: Request) -> Response:
    """Do nothing."""
    return Response()


def test_a_route_without_a_permission_stops_the_start() -> None:
    plain = APIRouter()
    plain.add_api_route("/open", handler)
    with pytest.raises(ConfigurationError, match="/open declares no permission"):
        echo_app(LocalAccess(), routers=[plain])


def test_a_plain_route_on_a_protected_router_stops_the_start() -> None:
    router = ProtectedRouter()
    router.add_route("/open", handler)
    with pytest.raises(ConfigurationError, match="/open declares no permission"):
        echo_app(LocalAccess(), routers=[router])


def test_a_mounted_app_stops_the_start() -> None:
    router = ProtectedRouter()
    router.mount("/inner", app=APIRouter())
    with pytest.raises(ConfigurationError, match="/inner declares no permission"):
        echo_app(LocalAccess(), routers=[router])


def test_a_public_route_beyond_liveness_and_readiness_stops_the_start() -> None:
    router = ProtectedRouter()
    router.protected("GET", "/v1/open", permission=Permission.PUBLIC)(handler)
    with pytest.raises(ConfigurationError, match="may not be public"):
        echo_app(LocalAccess(), routers=[router])


def test_an_address_declared_twice_stops_the_start() -> None:
    router = ProtectedRouter()
    router.protected("POST", "/v1/tasks/{task}/check", permission=Permission.CHECK, name="again")(handler)
    with pytest.raises(ConfigurationError, match="POST /v1/tasks/"):
        echo_app(LocalAccess(), routers=[check_router(), router])


def test_an_operation_declared_twice_stops_the_start() -> None:
    router = ProtectedRouter()
    router.protected("GET", "/v1/other", permission=Permission.CHECK, name="check")(handler)
    with pytest.raises(ConfigurationError, match="declared twice: check"):
        echo_app(LocalAccess(), routers=[check_router(), router])


@pytest.mark.parametrize(
    ("path", "status", "where"),
    [
        ("/v1/tasks/census/check?repaet=2", 422, "query repaet"),
        ("/v1/tasks/census/check?repeat=2&also=", 422, "query also"),
        ("/v1/tasks/census/labels?", 200, None),
        ("/v1/tasks/census/labels?repeat=2", 422, "query repeat"),
    ],
)
def test_a_misspelt_parameter_is_refused_instead_of_passed_over(path: str, status: int, where: str | None) -> None:
    access = LocalAccess()
    headers = {**access.header("admin"), "content-type": "application/json"}
    reply = call(echo_app(access), "POST", path, headers=headers, body=b'{"rows": []}')
    assert reply.status == status
    assert status == 200 or reply.json()["where"] == where


def test_a_probe_may_carry_a_parameter() -> None:
    assert call(echo_app(LocalAccess()), "GET", "/livez?t=1").status == 200
