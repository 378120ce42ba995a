"""The root key under the transit engine of OpenBao or Vault, through `hvac`: it never leaves the guard's own key."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable
from typing import Any, NamedTuple

import hvac
import hvac.exceptions
import msgspec
import requests

from dissonance.adapters.keys.documents import Transit, read_document
from dissonance.errors import ConfigurationError, DissonanceError, EngineUnavailable, SealBroken
from dissonance.ports.breaker import Breaker
from dissonance.security.envelope import KEY_BYTES

TIMEOUT_S = 5.0
FAILURES, REST_S = 2, 1.0
"""Of its breaker, as for the database."""

AWAY = (
    requests.exceptions.RequestException,
    hvac.exceptions.VaultDown,
    hvac.exceptions.BadGateway,
    hvac.exceptions.InternalServerError,
    hvac.exceptions.RateLimitExceeded,
    hvac.exceptions.VaultNotInitialized,
)
REFUSED = (hvac.exceptions.Forbidden, hvac.exceptions.Unauthorized)


class TransitPlace(NamedTuple):
    """`address`: https://host:port; `token` of a policy that may encrypt, decrypt, rotate and rewrap with `key` at
    `mount`; `ca_file`: of an authority of one's own, empty: the system's."""

    address: str
    token: str
    mount: str
    key: str
    ca_file: str = ""

    def __repr__(self) -> str:
        """Without the token."""
        return f"TransitPlace({self.address!r}, {self.mount}/{self.key})"


class TransitGuard:
    """`ports.key_guard.KeyGuard`."""

    def __init__(self, place: TransitPlace, breaker: Breaker | None = None) -> None:
        self._place = place
        self._breaker = breaker
        client = hvac.Client(
            url=place.address, token=place.token, verify=place.ca_file or True, timeout=TIMEOUT_S, strict_http=True
        )
        self._transit = client.secrets.transit

    def protect(self, root_key: bytes) -> bytes:
        found = self._asked(self._transit.encrypt_data, plaintext=base64.b64encode(root_key).decode())
        return self._document(str(found["data"]["ciphertext"]))

    def open(self, document: bytes) -> bytes:
        found = read_document(document, Transit)
        answer = self._asked(self._transit.decrypt_data, found, ciphertext=found.ciphertext)
        try:
            key = base64.b64decode(answer["data"]["plaintext"], validate=True)
        except binascii.Error as error:
            raise _foreign() from error
        if len(key) != KEY_BYTES:
            raise _foreign()
        return key

    def renew(self, document: bytes) -> bytes:
        """A new version of the guard's key, and the document under it. The guard keeps the versions before."""
        found = read_document(document, Transit)
        self._asked(self._transit.rotate_key, found)
        answer = self._asked(self._transit.rewrap_data, found, ciphertext=found.ciphertext)
        return msgspec.json.encode(msgspec.structs.replace(found, ciphertext=str(answer["data"]["ciphertext"])))

    def _document(self, ciphertext: str) -> bytes:
        return msgspec.json.encode(Transit(self._place.mount, self._place.key, ciphertext))

    def _asked(self, call: Callable[..., Any], document: Transit | None = None, **parameters: str) -> Any:
        key, mount = (self._place.key, self._place.mount) if document is None else (document.key, document.mount)
        if self._breaker is not None:
            self._breaker.require()
        try:
            answer = call(name=key, mount_point=mount, **parameters)
        except AWAY as error:
            if self._breaker is not None:
                self._breaker.failed()
            raise EngineUnavailable(
                f"the guard of the root key does not answer: {type(error).__name__}",
                where=self._place.address,
                fix="start or unseal it, and see DISSONANCE_OPENBAO_ADDRESS",
            ) from error
        except hvac.exceptions.VaultError as error:
            self._answered()
            raise _refusal(error, self._place.address, f"{mount}/{key}") from error
        self._answered()
        return answer

    def _answered(self) -> None:
        if self._breaker is not None:
            self._breaker.succeeded()


def _refusal(error: hvac.exceptions.VaultError, address: str, key: str) -> DissonanceError:
    if isinstance(error, REFUSED):
        return ConfigurationError(
            f"it refuses our token for the key {key}",
            where=address,
            fix="give a token of a policy that may encrypt, decrypt, rotate and rewrap with it",
        )
    if isinstance(error, hvac.exceptions.InvalidPath):
        return ConfigurationError(
            f"it has no key {key}",
            where=address,
            fix=f"bao secrets enable transit; bao write -f {key.replace('/', '/keys/')}",
        )
    return _foreign()


def _foreign() -> SealBroken:
    return SealBroken(
        "the guard does not open the root key: it was protected by another one, or the document was changed; nothing "
        "was changed here",
        where="root key",
        fix="name the guard that it was protected by, or restore the key folder from its backup",
    )
