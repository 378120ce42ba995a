"""The API's description says what the protocols read, write and refuse."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from dissonance.web.arrow_bodies import ARROW
from support.walk import Walk

PATHS: dict[str, Any] = asyncio.run(Walk.open()).app.openapi()["paths"]
JSON, BINARY, CSV = "application/json", "application/octet-stream", "text/csv"


@pytest.mark.parametrize(
    ("path", "reads", "writes"),
    [
        ("/v1/tasks/{task}/predict", {JSON, ARROW}, {JSON, ARROW}),
        ("/v2/models/{task}/infer", {JSON, BINARY}, {JSON, BINARY}),
        ("/v2/models/{task}/versions/{version}/infer", {JSON, BINARY}, {JSON, BINARY}),
        ("/invocations", {JSON, CSV}, {JSON}),
        ("/v1/tasks/{task}/invocations", {JSON, CSV}, {JSON}),
    ],
)
def test_media_types_are_described(path: str, reads: set[str], writes: set[str]) -> None:
    operation = PATHS[path]["post"]
    assert operation["requestBody"]["content"].keys() == reads
    assert operation["responses"]["200"]["content"].keys() == writes


def test_what_only_a_protocol_can_be_refused_for_is_described() -> None:
    def refusals(path: str, status: str) -> str:
        return str(PATHS[path]["post"]["responses"][status]["description"])

    assert "version-not-served" in refusals("/v2/models/{task}/versions/{version}/infer", "404")
    assert "task-not-named" in refusals("/invocations", "422")
    assert "task-not-named" not in refusals("/v1/tasks/{task}/invocations", "422")


def test_liveness_readiness_and_the_ways_to_a_token_need_none_and_all_else_does() -> None:
    public = {path for path, methods in PATHS.items() for each in methods.values() if not each["security"]}
    alive = {"/livez", "/readyz", "/v2/health/live", "/v2/health/ready", "/ping", "/health"}
    login = {f"/oauth/{name}" for name in ("token", "revoke", "authorize", "keys")}
    assert public == alive | login | {"/.well-known/oauth-authorization-server"}
