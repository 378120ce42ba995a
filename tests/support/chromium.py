"""A real Chromium without a window, driven as its developer tools do (Chrome DevTools Protocol, over a pipe).

It is for stories that only a browser can tell: what it makes of headers, cookies and redirects.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import ssl
import subprocess
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from fcntl import F_DUPFD, fcntl
from hashlib import sha256
from io import RawIOBase
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509 import load_der_x509_certificate

PROGRAMS = ("chromium", "chromium-browser", "google-chrome")
FEW = (
    "--headless=new",
    "--remote-debugging-pipe",
    "--no-first-run",
    "--no-default-browser-check",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
"""Nothing is asked of elsewhere. `--no-sandbox`: it refuses to run as root otherwise, as in a container."""

Event = dict[str, Any]


def program() -> str:
    """Where there is none the test is skipped, and says so: `make test` installs it where it may."""
    found = next(filter(None, map(shutil.which, PROGRAMS)), None)
    if found is None:
        pytest.skip("no Chromium here (Debian, Ubuntu: apt install chromium): nobody logged in with a real browser")
    return found


class Page:
    """One tab. `events`: what it told so far, oldest first."""

    def __init__(self, to_browser: RawIOBase, from_browser: RawIOBase) -> None:
        self._to, self._from = to_browser, from_browser
        self._rest = b""
        self._asked = 0
        self._session: dict[str, str] = {}
        self.events: list[Event] = []
        target = self.ask("Target.createTarget", url="about:blank")["targetId"]
        attached = self.ask("Target.attachToTarget", targetId=target, flatten=True)
        self._session = {"sessionId": attached["sessionId"]}
        for part in ("Page", "Network", "Log"):
            self.ask(f"{part}.enable")

    def ask(self, method: str, **parameters: Any) -> dict[str, Any]:
        """One command of the protocol. Raises `AssertionError` where the browser refuses it."""
        self._asked += 1
        asked = {"id": self._asked, "method": method, "params": parameters, **self._session}
        self._to.write(json.dumps(asked).encode() + b"\0")
        while (told := self._next()).get("id") != self._asked:
            self.events.append(told)
        assert "error" not in told, told["error"]
        result: dict[str, Any] = told["result"]
        return result

    def wait(self, method: str, wanted: Callable[[Event], bool] = lambda _: True) -> Event:
        """The first event of the kind from now on: its parameters."""
        while True:
            told = self._next()
            self.events.append(told)
            if told.get("method") == method and wanted(told["params"]):
                return dict(told["params"])

    def told(self, method: str, wanted: Callable[[Event], bool]) -> Event:
        """As `wait`, also where it was told before."""
        for told in self.events:
            if told.get("method") == method and wanted(told["params"]):
                return dict(told["params"])
        return self.wait(method, wanted)

    def run(self, script: str) -> Any:
        """What an expression is, in the page."""
        done = self.ask("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in done, done
        return done["result"].get("value")

    def open(self, address: str) -> str:
        """What the page says then."""
        self.ask("Page.navigate", url=address)
        self.wait("Page.loadEventFired")
        return self.text

    def fill(self, field: str, text: str) -> None:
        """Type over what is there, as a keyboard would."""
        self.run(f"(typed => {{ typed.focus(); typed.select() }})(document.getElementById({json.dumps(field)}))")
        self.ask("Input.insertText", text=text)

    def enter(self) -> str:
        """Press the key, and wait for what comes. What the page says then."""
        key = {"key": "Enter", "code": "Enter", "windowsVirtualKeyCode": 13}
        self.ask("Input.dispatchKeyEvent", type="keyDown", text="\r", **key)
        self.ask("Input.dispatchKeyEvent", type="keyUp", **key)
        self.wait("Page.loadEventFired")
        return self.text

    def field(self, field: str) -> str:
        return str(self.run(f"document.getElementById({json.dumps(field)}).value"))

    @property
    def text(self) -> str:
        return str(self.run("document.body.innerText"))

    @property
    def address(self) -> str:
        return str(self.run("location.href"))

    def headers(self, address: str) -> dict[str, str]:
        """Of the last answer from an address, as the browser took them; names in small letters."""
        answers = (
            each["params"]["response"] for each in self.events if each.get("method") == "Network.responseReceived"
        )
        [*_, last] = (answer for answer in answers if answer["url"] == address)
        return {name.lower(): value for name, value in last["headers"].items()}

    def _next(self) -> Event:
        while b"\0" not in self._rest:
            piece = self._from.read(65_536)
            assert piece, "the browser has ended"
            self._rest += piece
        message, _, self._rest = self._rest.partition(b"\0")
        told: Event = json.loads(message)
        return told


def key_of(url: str, authority: str) -> str:
    """SHA-256 of the key that a server shows, once `authority` (a PEM file) was seen to vouch for it: what Chromium can
    be told to trust, whatever the name, since the authority would have to be installed for the whole user."""
    place = urlsplit(url)
    assert place.hostname is not None
    context = ssl.create_default_context(cafile=authority)
    with (
        socket.create_connection((place.hostname, place.port or 443), timeout=60) as plain,
        context.wrap_socket(plain, server_hostname=place.hostname) as connection,
    ):
        shown = connection.getpeercert(binary_form=True)
    assert shown is not None
    key = load_der_x509_certificate(shown).public_key()
    return b64encode(sha256(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).digest()).decode()


@contextmanager
def opened(folder: Path, trusted: str, *options: str) -> Iterator[Page]:
    """A browser of its own, which knows nothing. `trusted`: a certificate's, as `key_of` says it."""
    here, to_browser = os.pipe()
    from_browser, there = os.pipe()
    # Where it listens and tells is fixed; what it is given must not be one of the two by chance.
    given = [fcntl(end, F_DUPFD, 10) for end in (here, there)]
    trusting = f"--ignore-certificate-errors-spki-list={trusted}"
    arguments = [program(), *FEW, f"--user-data-dir={folder}", trusting, *options]
    process = subprocess.Popen(
        ["bash", "-c", f'exec "$@" 3<&{given[0]} 4>&{given[1]}', "bash", *arguments],
        pass_fds=given,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "HOME": str(folder)},
    )
    for end in (here, there, *given):
        os.close(end)
    with process, os.fdopen(to_browser, "wb", buffering=0) as asked, os.fdopen(from_browser, "rb", buffering=0) as told:
        try:
            yield Page(asked, told)
        finally:
            process.terminate()
