"""MLflow's REST API: a question and its answer (https://mlflow.org/docs/latest/rest-api.html; ADR 68)."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterator, Mapping
from typing import Any
from urllib.parse import quote, urlencode

import msgspec
from urllib3 import BaseHTTPResponse, PoolManager, Timeout

from dissonance.adapters.mlflow.credentials import Authorization
from dissonance.adapters.mlflow.failures import Refused

API = "/api/2.0/mlflow"
ARTEFACTS = "/api/2.0/mlflow-artifacts/artifacts"
PAGE = 1000

TIMEOUT_S = 10.0
"""Seconds until a request that gets no answer is given up. It is never repeated here: what may be repeated is, by
`adapters.retrying`."""

CONNECTIONS = 8


class Wire:
    """Blocking; may be shared between threads. `url`: `https://host:port`, with `tls`, or `http://…`.

    Methods raise `Refused`, or what urllib3 raises when there is no answer.
    """

    def __init__(self, url: str, authorization: Authorization | None, tls: ssl.SSLContext | None) -> None:
        self._url = url.rstrip("/")
        self._authorization = authorization
        self._pool = PoolManager(maxsize=CONNECTIONS, retries=False, timeout=Timeout(TIMEOUT_S), ssl_context=tls)

    def get(self, path: str, **query: str) -> Any:
        return msgspec.json.decode(self._ask("GET", API + path, query=query).data)

    def send(self, path: str, method: str = "POST", **body: Any) -> Any:
        said = self._ask(method, API + path, body=msgspec.json.encode(body), content="application/json").data
        return msgspec.json.decode(said)

    def found(self, path: str, name: str, **query: str) -> Iterator[Any]:
        """Each of the things called `name` on all the pages of a search that is a GET."""
        return _all(name, lambda token: self.get(path, max_results=str(PAGE), **_turned(token), **query))

    def pages(self, path: str, name: str, **body: Any) -> Iterator[Any]:
        """The same of one that is a POST."""
        return _all(name, lambda token: self.send(path, max_results=PAGE, **_turned(token), **body))

    def fetch(self, path: str) -> bytes:
        """The bytes of an artefact that the server hands out itself."""
        return self._ask("GET", f"{ARTEFACTS}/{quote(path)}").data

    def store(self, path: str, content: bytes) -> None:
        self._ask("PUT", f"{ARTEFACTS}/{quote(path)}", body=content, content="application/octet-stream")

    def stored(self, folder: str) -> list[str]:
        """Paths of what is in a folder of artefacts."""
        found = msgspec.json.decode(self._ask("GET", ARTEFACTS, query={"path": folder}).data)
        return [f"{folder}/{file['path']}" for file in found.get("files", ())]

    def discard(self, path: str) -> None:
        self._ask("DELETE", f"{ARTEFACTS}/{quote(path)}")

    def _ask(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: bytes | None = None,
        content: str = "",
    ) -> BaseHTTPResponse:
        headers = {"Content-Type": content} if content else {}
        if self._authorization is not None:
            headers["Authorization"] = self._authorization()
        asked = f"?{urlencode(query)}" if query else ""
        answer = self._pool.request(method, f"{self._url}{path}{asked}", body=body, headers=headers, redirect=False)
        if answer.status != 200:
            raise _refusal(answer)
        return answer


def _all(name: str, page: Callable[[str], Any]) -> Iterator[Any]:
    token = ""
    while True:
        answer = page(token)
        yield from answer.get(name, ())
        token = answer.get("next_page_token", "")
        if not token:
            return


def _turned(token: str) -> dict[str, str]:
    return {"page_token": token} if token else {}


def _refusal(answer: BaseHTTPResponse) -> Refused:
    try:
        said = msgspec.json.decode(answer.data)
        return Refused(str(said["error_code"]), str(said.get("message", "")))
    except (msgspec.DecodeError, KeyError, TypeError):
        return Refused(f"HTTP {answer.status}", answer.data[:300].decode(errors="replace"))
