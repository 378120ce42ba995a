from __future__ import annotations

import io
import logging
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.requests import Request
from starlette.responses import Response

from dissonance.errors_by_slug import ROOTS, errors_by_slug
from dissonance.security.permissions import Permission
from dissonance.telemetry.logs import JsonFormatter
from dissonance.web.middleware.unexpected import AnswerBroken
from dissonance.web.routes import ProtectedRouter
from support.access import LocalAccess
from support.api import SECRET, echo_app
from support.asgi import Reply, call

PROBLEMS_PAGE = Path(__file__).parents[3] / "docs" / "problems.md"
MODULES = {root.__module__ for root in ROOTS}
ERRORS = {slug: error for slug, error in errors_by_slug().items() if error.__module__ in MODULES}


@pytest.fixture
def lines() -> Iterator[io.StringIO]:
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonFormatter("proposer"))
    logger = logging.getLogger("dissonance")
    logger.addHandler(handler)
    yield stream
    logger.removeHandler(handler)


def windows_of(task: str) -> Reply:
    access = LocalAccess()
    return call(echo_app(access), "GET", f"/v1/tasks/{task}/windows", headers=access.header("viewer"))


def test_a_problem_says_what_where_and_how_to_mend_it() -> None:
    access = LocalAccess()
    headers = {**access.header(), "content-type": "application/json", "x-request-id": "my-request.1"}
    reply = call(echo_app(access), "POST", "/v1/tasks/nowhere/check", headers=headers, body=b'{"rows": []}')
    assert reply.headers["content-type"] == "application/problem+json"
    assert reply.json() == {
        "type": "urn:dissonance:problem:unknown-task",
        "title": "There is no such task",
        "status": 404,
        "detail": "no task is named 'nowhere'",
        "instance": "/v1/tasks/nowhere/check",
        "request_id": "my-request.1",
        "where": "task",
        "fix": "list them: dissonance task list",
    }


@pytest.mark.parametrize("path", ["/", "/v1", "/livez/", "/v1/tasks/census", "/docs", "/v1/tasks/a/b/check", "//livez"])
def test_an_unknown_route_is_404_in_the_same_shape(path: str) -> None:
    access = LocalAccess()
    reply = call(echo_app(access), "GET", path, headers=access.header("viewer"))
    assert (reply.status, reply.json()["type"]) == (404, "urn:dissonance:problem:unknown-route")
    assert reply.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("method", ["GET", "PUT", "HEAD", "OPTIONS", "BREW"])
def test_a_method_that_the_route_does_not_take_is_405_and_names_the_one_it_does(method: str) -> None:
    access = LocalAccess()
    reply = call(echo_app(access), method, "/v1/tasks/census/check", headers=access.header("viewer"))
    assert (reply.status, reply.headers["allow"]) == (405, "POST")
    assert reply.json()["type"] == "urn:dissonance:problem:method-not-allowed"


def test_an_address_of_two_routes_names_the_methods_of_both() -> None:
    access = LocalAccess()
    router = ProtectedRouter()

    @router.protected("POST", "/v1/thing", permission=Permission.WINDOWS)
    async def change(request: Request) -> Response:
        """It."""
        return Response()

    @router.protected("GET", "/v1/thing", permission=Permission.WINDOWS)
    async def look(request: Request) -> Response:
        """At it."""
        return Response()

    reply = call(echo_app(access, routers=[router]), "OPTIONS", "/v1/thing", headers=access.header("viewer"))
    assert (reply.status, reply.headers["allow"], reply.json()["fix"]) == (405, "GET, POST", "use GET, POST")


@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/"), ("GET", "/docs"), ("GET", "/v1/tasks/census/check"), ("BREW", "/metrics")]
)
def test_without_a_token_an_unknown_route_or_method_is_401_like_any_other(method: str, path: str) -> None:
    reply = call(echo_app(LocalAccess()), method, path)
    known = call(echo_app(LocalAccess()), "GET", "/metrics")
    assert reply.status == known.status == 401
    assert reply.json()["detail"] == known.json()["detail"]
    assert "allow" not in reply.headers


def test_what_is_public_says_without_a_token_how_it_is_asked() -> None:
    assert call(echo_app(LocalAccess()), "HEAD", "/livez").status == 405


def test_an_unreachable_engine_is_503_with_retry_after_and_tells_no_address(lines: io.StringIO) -> None:
    reply = windows_of("engine")
    assert (reply.status, reply.headers["retry-after"], reply.json()["where"]) == (503, "1", "PostgreSQL")
    assert SECRET.encode() not in reply.body
    assert '"slug":"engine-unavailable"' in lines.getvalue()


def test_a_fault_of_ours_tells_its_kind_and_no_more() -> None:
    reply = windows_of("seal")
    assert (reply.status, reply.json()["type"]) == (500, "urn:dissonance:problem:seal-broken")
    assert SECRET.encode() not in reply.body


def test_an_unexpected_error_is_500_without_internals_logged_without_values_and_counted(lines: io.StringIO) -> None:
    access = LocalAccess()
    app = echo_app(access)
    reply = call(app, "GET", "/v1/tasks/census/windows", headers=access.header("viewer"))
    assert (reply.status, reply.json()["type"]) == (500, "urn:dissonance:problem:error")
    assert reply.headers["content-type"] == "application/problem+json"
    assert b"ValueError" not in reply.body
    logged = lines.getvalue()
    assert "builtins.ValueError" in logged
    assert reply.json()["request_id"] in logged
    assert SECRET not in logged
    assert SECRET.encode() not in reply.body
    shown = call(app, "GET", "/metrics", headers=access.header("operator")).body.decode()
    assert 'dissonance_unexpected_errors_total{where="http"} 1.0' in shown
    assert 'route="/v1/tasks/{task}/windows",status="500"} 1.0' in shown


def test_an_answer_that_breaks_off_closes_the_connection_without_quoting_the_cause() -> None:
    with pytest.raises(AnswerBroken) as caught:
        windows_of("torn")
    assert SECRET not in str(caught.value)
    assert caught.value.__suppress_context__


def test_every_slug_has_a_section_of_its_own_in_the_problems_page() -> None:
    sections = re.findall(r"^## `([a-z-]+)`$", PROBLEMS_PAGE.read_text(), re.MULTILINE)
    assert sorted(sections) == sorted(ERRORS)


def test_every_section_of_the_problems_page_states_the_status_and_title_of_its_error() -> None:
    text = PROBLEMS_PAGE.read_text()
    for error in ERRORS.values():
        assert f"## `{error.slug}`\n\n{error.status} · {error.title}\n" in text
