"""Parameters of OAuth 2, from a query or a form: each there once, and of the characters that RFC 6749 lets them have.

>>> parameters_of(b"client_id=night-batch.0a1b2c3d&scope=predictions%3Awrite")
{'client_id': 'night-batch.0a1b2c3d', 'scope': 'predictions:write'}
"""

from __future__ import annotations

import re
from collections.abc import Collection
from urllib.parse import parse_qsl

from starlette.requests import Request

from dissonance.errors import BodyTooLarge, MalformedBody, UnsupportedMediaType
from dissonance.web.bodies import read_all

FORM_TYPE = "application/x-www-form-urlencoded"
MAX_BYTES = 16_384
MAX_FIELDS = 40
_TEXT = re.compile(r"[\x20\x21\x23-\x5b\x5d-\x7e]*", re.ASCII)
"""RFC 6749 appendix A, of what may be said again in an error (section 5.2)."""


async def read_form(request: Request, free: Collection[str] = ()) -> dict[str, str]:
    """`free`: fields of any text. Raises `UnsupportedMediaType`, `BodyTooLarge` or `MalformedBody`."""
    kinds = [value for name, value in request.scope["headers"] if name == b"content-type"]
    if len(kinds) != 1 or kinds[0].split(b";")[0].strip().lower() != FORM_TYPE.encode():
        raise UnsupportedMediaType("the body is not announced as a form", where="Content-Type", fix=f"send {FORM_TYPE}")
    return parameters_of(await read_all(request.receive, MAX_BYTES), free)


def parameters_of(encoded: bytes, free: Collection[str] = ()) -> dict[str, str]:
    """An empty one counts as left out (RFC 6749 section 3.1). Raises `BodyTooLarge`, or `MalformedBody` for one that
    comes twice or cannot be read."""
    if len(encoded) > MAX_BYTES:
        raise BodyTooLarge(f"more than {MAX_BYTES} bytes of parameters", where="query", fix="send fewer")
    try:
        pairs = parse_qsl(encoded.decode("ascii"), errors="strict", max_num_fields=MAX_FIELDS)
    except ValueError as error:
        raise MalformedBody("the parameters cannot be read", where="form", fix="encode them in UTF-8") from error
    found: dict[str, str] = {}
    for name, value in pairs:
        if name in found or _TEXT.fullmatch(name) is None or (name not in free and _TEXT.fullmatch(value) is None):
            raise MalformedBody("a parameter is there twice, or has a character that it may not have", where="form")
        found[name] = value
    return found
