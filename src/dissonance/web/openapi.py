"""The OpenAPI 3.1 document. FastAPI describes path and query; bodies, replies and problems come from the declarations,
since msgspec reads and writes them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

import msgspec
from fastapi.openapi.utils import get_openapi

from dissonance.errors import (
    BodyTooLarge,
    DissonanceError,
    Forbidden,
    InputError,
    LockedOut,
    MalformedBody,
    NotFinite,
    Unauthenticated,
    UnknownTask,
    UnsupportedMediaType,
    WrongType,
)
from dissonance.security.permissions import Permission
from dissonance.web.admission import TASK_PARAMETER
from dissonance.web.health import Readiness
from dissonance.web.problems import PROBLEM_TYPE, TYPE_PREFIX, Problem
from dissonance.web.routes import Declaration, ProtectedRoute, Refusals

SECURITY_SCHEME = "accessToken"
PERMISSION = "x-permission"
"""Member of an operation that names its one permission."""

REFERENCE = "#/components/schemas/{name}"
BODY_PROBLEMS = (MalformedBody, BodyTooLarge, UnsupportedMediaType, WrongType, NotFinite)

Json = dict[str, Any]


def openapi_document(title: str, version: str, routes: Sequence[ProtectedRoute]) -> Json:
    """The whole document; every `$ref` in it resolves."""
    document = get_openapi(title=title, version=version, openapi_version="3.1.0", routes=list(routes))
    schemas = _Schemas(routes)
    for route in routes:
        for method in route.methods or ():
            operation = document["paths"][route.path_format][method.lower()]
            _complete(operation, route, schemas)
    document["components"] = {
        "schemas": schemas.components,
        "securitySchemes": {
            SECURITY_SCHEME: {
                "type": "http",
                "scheme": "bearer",
                "bearerFormat": "JWT",
                "description": "ES256 access token in the form of RFC 9068; dissonance token create makes one",
            }
        },
    }
    return document


class _Schemas:
    """All contracts of the routes as components, with the reference of each."""

    def __init__(self, routes: Sequence[ProtectedRoute]) -> None:
        given = (kind for route in routes for kind in _contracts(route.declaration))
        types = list(dict.fromkeys([Problem, *(kind for kind in given if kind is not None)]))
        references, self.components = msgspec.json.schema_components(types, ref_template=REFERENCE)
        self._references = dict(zip(types, references, strict=True))

    def content(self, kind: type[msgspec.Struct], media_type: str) -> Json:
        return {media_type: {"schema": self._references[kind]}}


def _contracts(declaration: Declaration) -> tuple[type[msgspec.Struct] | None, ...]:
    refusals = declaration.refusals
    return declaration.body, declaration.reply, refusals.body if refusals is not None else None


def _complete(operation: Json, route: ProtectedRoute, schemas: _Schemas) -> None:
    declaration = route.declaration
    public = declaration.permission is Permission.PUBLIC
    access = "Public: needs no token." if public else f"Needs the permission `{declaration.permission}`."
    operation["summary"], _, rest = route.description.partition("\n")
    operation["description"] = f"{rest.strip()}\n\n{access}".strip()
    operation[PERMISSION] = declaration.permission.value
    operation["security"] = [] if public else [{SECURITY_SCHEME: []}]
    if declaration.body is not None:
        content = {**schemas.content(declaration.body, declaration.body_type), **_opaque(declaration.other_bodies)}
        operation["requestBody"] = {"required": True, "content": content}
    reply = {declaration.reply_type: {"schema": {"type": "string"} if declaration.reply_type == "text/plain" else {}}}
    if declaration.reply is not None:
        reply = {**schemas.content(declaration.reply, declaration.reply_type), **_opaque(declaration.other_replies)}
    operation["responses"] = {"200": {"description": "Done", "content": reply}, **_problems(route, schemas)}
    if declaration.reply is Readiness:
        operation["responses"]["503"] = {"description": "A role is not ready", "content": reply}
    if declaration.refusals is not None:
        _add_refusals(operation["responses"], declaration.refusals, schemas)


def _add_refusals(responses: Json, refusals: Refusals, schemas: _Schemas) -> None:
    """Beside problems of the same status, which come from what stands before the route."""
    kind, media_type = refusals.body, refusals.media_type
    content = {media_type: {"schema": {"type": "string"}}} if kind is None else schemas.content(kind, media_type)
    for status in refusals.statuses:
        response = responses.setdefault(str(status), {"description": HTTPStatus(status).phrase})
        if status >= HTTPStatus.BAD_REQUEST:
            response["content"] = {**response.get("content", {}), **content}


def _opaque(media_types: Sequence[str]) -> Json:
    """Bytes of another format than JSON (OpenAPI 3.1, "Considerations for File Uploads")."""
    return {media_type: {} for media_type in media_types}


def problems_of(route: ProtectedRoute) -> list[type[DissonanceError]]:
    """Errors that the route answers with: its own and those of every route of its form."""
    found: list[type[DissonanceError]] = [DissonanceError]
    if route.declaration.permission is not Permission.PUBLIC:
        found += [Unauthenticated, Forbidden, LockedOut]
    if TASK_PARAMETER in route.param_convertors:
        found.append(UnknownTask)
    if route.declaration.body is not None and route.declaration.refusals is None:
        found += BODY_PROBLEMS
    if route.param_convertors or route.dependant.query_params or route.dependant.header_params:
        found.append(InputError)
    return list(dict.fromkeys([*found, *route.declaration.problems]))


def _problems(route: ProtectedRoute, schemas: _Schemas) -> Json:
    by_status: dict[int, list[type[DissonanceError]]] = defaultdict(list)
    for error in problems_of(route):
        by_status[error.status].append(error)
    return {
        str(status): {
            "description": f"{HTTPStatus(status).phrase}: " + ", ".join(f"`{TYPE_PREFIX}{e.slug}`" for e in errors),
            "content": schemas.content(Problem, PROBLEM_TYPE),
        }
        for status, errors in sorted(by_status.items())
    }
