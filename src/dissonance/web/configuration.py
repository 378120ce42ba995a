"""Settings as they may be shown: no secret leaves the process, not even to an operator."""

from __future__ import annotations

import re
from collections.abc import Mapping

MASK = "***"
SECRET_NAME = re.compile(r"(?:^|_)(?:password|passphrase|secret|token|private_key|credentials?)$")
_USER_INFORMATION = re.compile(r"(?<=://)[^/?#\s]*@")
_PASSWORD_PARAMETER = re.compile(r"(\b(?:password|sslpassword|passfile|token)\s*=\s*)('[^']*'|[^&\s]+)", re.IGNORECASE)


def without_secrets(settings: Mapping[str, object]) -> dict[str, object]:
    """A copy in which secrets are `***`: values of secret names, users and passwords in URLs and connection strings.

    >>> without_secrets({"nats_url": "nats://user:hidden@host:4222", "http_port": 8080})
    {'nats_url': 'nats://***@host:4222', 'http_port': 8080}
    """
    return {name: MASK if value and SECRET_NAME.search(name) else _masked(value) for name, value in settings.items()}


def _masked(value: object) -> object:
    if isinstance(value, str):
        return _PASSWORD_PARAMETER.sub(rf"\1{MASK}", _USER_INFORMATION.sub(f"{MASK}@", value))
    if isinstance(value, Mapping):
        return without_secrets({str(name): inner for name, inner in value.items()})
    if isinstance(value, list | tuple):
        return [_masked(inner) for inner in value]
    return value
