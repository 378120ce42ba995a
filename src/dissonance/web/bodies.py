"""JSON bodies in and out with msgspec: one pass from bytes to the contract's type, or an error that says where.

FastAPI's own reading is not used: it validates before it authenticates, and costs several times as much a row.
"""

from __future__ import annotations

import json
import math
import re
from functools import cache
from typing import Any, NoReturn, TypeVar

import msgspec
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Receive

from dissonance.errors import BodyTooLarge, MalformedBody, NotFinite, UnsupportedMediaType, WrongType

Body = TypeVar("Body", bound=msgspec.Struct)

_NOT_FINITE = re.compile(rb"-?\b(?:nan|inf|infinity)\b", re.IGNORECASE)
_AT_BYTE = re.compile(r"\(byte (\d+)\)")
_AT_PATH = re.compile(r"^(.*?)(?: - at `\$\.?(.*)`)?$", re.DOTALL)
_STEP = re.compile(r"([^.\[\]]+)|\[(\d+)\]|\[(\.\.\.)\]")
_GOT = re.compile(r"got `(\w+)`")
_JSON_NAMES = {dict: "object", list: "array", str: "str", bool: "bool", int: "int", float: "float", type(None): "null"}
_encoder = msgspec.json.Encoder()


async def read_body(request: Request, body_type: type[Body], max_body_bytes: int | None = None) -> Body:
    """The request's JSON body as `body_type`.

    The app's own limit holds in any case (`web.middleware.body_limit`); `max_body_bytes` sets a lower one.
    Raises `UnsupportedMediaType`, `BodyTooLarge`, `MalformedBody` (not JSON, or not of this shape), `WrongType` or
    `NotFinite`, each naming the place.
    """
    return decoded(await read_bytes(request, max_body_bytes), body_type)


async def read_bytes(request: Request, max_body_bytes: int | None = None) -> bytes:
    """The bytes of a body that is announced as JSON. Raises `UnsupportedMediaType` or `BodyTooLarge`."""
    check_content_type(request)
    return await read_all(request.receive, max_body_bytes)


def decoded(data: bytes, body_type: type[Body]) -> Body:
    """Raises `MalformedBody`, `WrongType` or `NotFinite`, each naming the place."""
    try:
        body: Body = _decoder(body_type).decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        explain(data, error)
    return body


def json_reply(reply: msgspec.Struct, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """A contract's struct as a JSON answer."""
    return Response(_encoder.encode(reply), status, headers, media_type="application/json")


def check_content_type(request: Request) -> None:
    """`application/json`, in UTF-8 (RFC 8259 section 8.1), not compressed."""
    given = coding = b""
    for name, value in request.scope["headers"]:
        if name == b"content-type":
            given = value
        elif name == b"content-encoding":
            coding = value
    if given == b"application/json" and not coding:
        return
    media, _, parameters = given.decode("latin-1").lower().partition(";")
    charset = parameters.partition("charset=")[2].strip(' "')
    if media.strip() != "application/json" or charset not in ("", "utf-8") or coding not in (b"", b"identity"):
        raise UnsupportedMediaType(
            "the body is not announced as plain JSON in UTF-8",
            where="header Content-Type" if coding in (b"", b"identity") else "header Content-Encoding",
            fix="send 'Content-Type: application/json' and no Content-Encoding",
        )


async def read_all(receive: Receive, max_body_bytes: int | None = None) -> bytes:
    """Every byte of a body. Raises `BodyTooLarge`, or `ClientDisconnect` when its caller leaves in the middle."""
    chunks: list[bytes] = []
    size, more = 0, True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        chunk, more = message.get("body", b""), message.get("more_body", False)
        size += len(chunk)
        if max_body_bytes is not None and size > max_body_bytes:
            raise BodyTooLarge(f"the body has more than {max_body_bytes} bytes", where="body", fix="send fewer rows")
        chunks.append(chunk)
    return chunks[0] if len(chunks) == 1 else b"".join(chunks)


@cache
def _decoder(body_type: type[Any]) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(body_type)


def explain(data: bytes, error: Exception) -> NoReturn:
    """Raise our error for what msgspec said about `data`. No value of a row is repeated, only places and types."""
    if isinstance(error, RecursionError):
        raise MalformedBody("the body is nested too deeply", where="body", fix="send flat rows") from error
    if isinstance(error, UnicodeDecodeError):
        raise MalformedBody("the body is not UTF-8", where="body", fix="encode it in UTF-8") from error
    if isinstance(error, msgspec.ValidationError):
        _explain_shape(data, str(error), error)
    at = _AT_BYTE.search(str(error))
    position = int(at.group(1)) if at else len(data)
    if "trailing" in str(error):
        position -= 1  # there msgspec counts from the byte after the one it means
    if at and _NOT_FINITE.search(data, max(0, position - 5), position + 9):
        raise NotFinite(
            "the body has a NaN or an infinity, which JSON does not know",
            where=f"body, {_not_finite(data) or f'byte {position}'}",
            fix="send null for a missing value (RFC 8259 section 6)",
        ) from error
    what = "the body ends too early" if at is None else "the body is not JSON"
    raise MalformedBody(what, where=f"body, byte {position}", fix="send JSON (RFC 8259)") from error


def _explain_shape(data: bytes, message: str, error: Exception) -> NoReturn:
    match = _AT_PATH.match(message)
    what, path = (match.group(1), match.group(2) or "") if match else (message, "")
    got = _GOT.search(what)
    where = _named(data, path, got.group(1) if got else None) if "[...]" in path else path
    where = f"body, {where}" if where else "body"
    if "out of range" in what:
        place = _not_finite(data)
        raise NotFinite(
            "a number is too large for a 64-bit float",
            where=f"body, {place}" if place else where,
            fix="send it within 1.8e308, or null if missing",
        ) from error
    if got and path:
        raise WrongType(what, where=where, fix="send the type that is named") from error
    raise MalformedBody(what, where=where, fix="see the body of this route in /openapi.json") from error


def _named(data: bytes, path: str, got: str | None) -> str:
    """msgspec writes `[...]` for the key of an object; put in the first key whose value is what was refused."""
    try:
        here: Any = msgspec.json.decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return path
    named = ""
    for field, index, unknown in _STEP.findall(path):
        if unknown:
            field = next((key for key, value in here.items() if _refused(value, got)), "")
            if not field:
                return path
        here = here[int(index)] if index else here[field]
        named += f"[{index}]" if index else f".{field}" if named else field
    return named


def _not_finite(data: bytes) -> str:
    """The place of the first number that no float can hold, read by a laxer decoder; "" when it finds none."""
    try:
        steps = _steps_to_not_finite(json.loads(data, parse_int=float))
    except (ValueError, RecursionError):
        return ""
    return "".join(steps or ()).removeprefix(".")


def _steps_to_not_finite(value: Any) -> list[str] | None:
    if isinstance(value, float):
        return None if math.isfinite(value) else []
    named = isinstance(value, dict)
    for step, inner in value.items() if named else enumerate(value) if isinstance(value, list) else ():
        steps = _steps_to_not_finite(inner)
        if steps is not None:
            return [f".{step}" if named else f"[{step}]", *steps]
    return None


def _refused(value: Any, got: str | None) -> bool:
    return _JSON_NAMES.get(type(value)) == got
