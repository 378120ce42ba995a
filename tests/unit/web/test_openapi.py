from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from dissonance.web.openapi import SECURITY_SCHEME
from dissonance.web.routes import PUBLIC_PATHS
from support.access import LocalAccess
from support.api import echo_app
from support.asgi import call


def document() -> dict[str, Any]:
    access = LocalAccess()
    described: dict[str, Any] = call(echo_app(access), "GET", "/openapi.json", headers=access.header("operator")).json()
    return described


def operations(described: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for path, methods in described["paths"].items():
        for operation in methods.values():
            yield path, operation


def references(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        if isinstance(node.get("$ref"), str):
            yield node["$ref"]
        for inner in node.values():
            yield from references(inner)
    elif isinstance(node, list):
        for inner in node:
            yield from references(inner)


def test_the_document_is_openapi_3_1_and_every_reference_resolves() -> None:
    described = document()
    assert described["openapi"].startswith("3.1")
    found = list(references(described))
    assert found
    for reference in found:
        node: Any = described
        for part in reference.removeprefix("#/").split("/"):
            node = node[part]


def test_every_operation_asks_for_a_token_unless_it_is_liveness_or_readiness() -> None:
    for path, operation in operations(document()):
        expected: list[dict[str, list[str]]] = [] if path in PUBLIC_PATHS else [{SECURITY_SCHEME: []}]
        assert operation["security"] == expected
        assert ("401" in operation["responses"]) == (path not in PUBLIC_PATHS)


def test_operation_ids_are_unique_and_every_operation_is_described() -> None:
    ids = [operation["operationId"] for _, operation in operations(document())]
    assert len(ids) == len(set(ids)) == 8
    assert all(operation["summary"] for _, operation in operations(document()))


def test_a_task_route_states_body_reply_parameters_permission_and_problems() -> None:
    described = document()
    check = described["paths"]["/v1/tasks/{task}/check"]["post"]
    schema = check["requestBody"]["content"]["application/json"]["schema"]
    assert schema == {"$ref": "#/components/schemas/RowsRequest"}
    assert described["components"]["schemas"]["RowsRequest"]["required"] == ["rows"]
    assert check["responses"]["200"]["content"]["application/json"]["schema"]["$ref"].endswith("/CheckReply")
    assert [parameter["name"] for parameter in check["parameters"]] == ["task", "repeat"]
    assert "`verdicts:read`" in check["description"]
    assert {"400", "401", "403", "404", "413", "415", "422", "500", "503"} <= set(check["responses"])
    assert "problem:not-finite" in check["responses"]["422"]["description"]
    problem = check["responses"]["422"]["content"]["application/problem+json"]["schema"]
    assert problem == {"$ref": "#/components/schemas/Problem"}


def test_nothing_of_fastapis_own_error_shape_is_left() -> None:
    assert b"HTTPValidationError" not in msgspec.json.encode(document())
