"""What the document says of the routes of the local issuer, which answer in the words of OAuth 2 and in pages."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

import pytest

from dissonance.web.forms import MAX_BYTES
from support.asgi import request
from support.issuing import FORM, Issuing, query_of

TOKEN, REVOKE, AUTHORIZE = "/oauth/token", "/oauth/revoke", "/oauth/authorize"
LONG = "x=" + "y" * MAX_BYTES


def asked(method: str, path: str, headers: Mapping[str, str], body: str) -> tuple[int, str, dict[str, Any]]:
    """Status and media type of the answer, and what the document says of the operation."""

    async def story() -> tuple[int, str, dict[str, Any]]:
        app = Issuing().app
        reply = await request(app, method, path, headers=dict(headers), body=body.encode())
        kind = reply.headers.get("content-type", "").partition(";")[0]
        return reply.status, kind, app.openapi()["paths"][path.partition("?")[0]][method.lower()]

    return asyncio.run(story())


@pytest.mark.parametrize("path", [TOKEN, REVOKE])
@pytest.mark.parametrize(
    ("status", "kind", "body"),
    [
        (400, FORM, "token=x&token=y"),
        (401, FORM, urlencode({"grant_type": "client_credentials", "token": "x", "client_id": "none.0a1b2c3d"})),
        (413, FORM, LONG),
        (415, "application/json", "{}"),
    ],
)
def test_what_is_refused_in_the_words_of_oauth_2_is_in_the_document(
    path: str, status: int, kind: str, body: str
) -> None:
    told, media_type, operation = asked("POST", path, {"content-type": kind}, body)
    assert (told, media_type) == (status, "application/json")
    assert list(operation["responses"][str(told)]["content"]) == [media_type]
    assert operation["responses"]["429"]["content"].keys() == {"application/problem+json"}


@pytest.mark.parametrize(
    ("status", "method", "path", "kind", "body"),
    [
        (400, "GET", f"{AUTHORIZE}?client_id=x", "", ""),
        (413, "GET", f"{AUTHORIZE}?{LONG}", "", ""),
        (303, "GET", f"{AUTHORIZE}?{query_of(response_type='token')}", "", ""),
        (400, "POST", AUTHORIZE, FORM, ""),
        (403, "POST", f"{AUTHORIZE}?{query_of()}", FORM, "form=x"),
        (413, "POST", f"{AUTHORIZE}?{query_of()}", FORM, LONG),
        (415, "POST", f"{AUTHORIZE}?{query_of()}", "application/json", "{}"),
    ],
)
def test_the_pages_that_a_browser_is_shown_are_in_the_document(
    status: int, method: str, path: str, kind: str, body: str
) -> None:
    told, media_type, operation = asked(method, path, {"content-type": kind} if kind else {}, body)
    assert told == status
    described = operation["responses"][str(told)]
    if status == 303:
        assert "content" not in described
    else:
        assert list(described["content"]) == [media_type] == ["text/html"]
