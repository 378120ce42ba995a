"""The local issuer on doubles: a client with a secret, somebody who logs in, and a browser's steps by hand."""

from __future__ import annotations

import re
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Mapping
from hashlib import sha256
from html import unescape
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

from dissonance.adapters.memory.bus import MemoryBus
from dissonance.adapters.memory.clock import FixedClock, SeededRandomness
from dissonance.adapters.memory.store import MemoryStore
from dissonance.bootstrap_issuing import IssuerParts, issuing_on
from dissonance.ports.clock import Clock, Randomness
from dissonance.ports.store import Store
from dissonance.roles.credential_changing import CredentialChanging
from dissonance.roles.login_changing import LoginChanging, MadeClient
from dissonance.security.grants import Grants, default_grants
from dissonance.security.identity import Identity
from dissonance.security.oauth_clients import COMMAND_LINE
from dissonance.security.passwords import PasswordCost, hashed_password
from dissonance.security.revocations import CredentialList
from dissonance.telemetry.metrics import Metrics
from dissonance.web.app import DissonanceApp, create_app
from dissonance.web.routes import ProtectedRouter
from support.access import AUDIENCE, ISSUER, LocalAccess, private_key_pem
from support.asgi import Reply, request

CHEAP = PasswordCost(memory_kib=64, passes=1, lanes=1)
HERE = "http://127.0.0.1:80"
PASSWORD = "a sentence that ada knows"  # pragma: allowlist secret
VERIFIER = "v" * 43
REDIRECT = "http://127.0.0.1:40123/"
DAY_S = 86_400.0
FORM = "application/x-www-form-urlencoded"


def challenge_of(verifier: str) -> str:
    return urlsafe_b64encode(sha256(verifier.encode()).digest()).rstrip(b"=").decode()


def issuing_routers(
    store: Store, clock: Clock, randomness: Randomness, issuer: str = ISSUER, grants: Grants | None = None
) -> list[ProtectedRouter]:
    nobodys = hashed_password("nobody's", bytes(16), CHEAP)
    parts = IssuerParts(private_key_pem(), issuer, AUDIENCE, grants or default_grants(), bytes(32), nobodys)
    return issuing_on(store, clock, randomness, parts)


class Issuing:
    """Make it inside a running loop, which its app belongs to."""

    def __init__(self, issuer: str = ISSUER) -> None:
        self.clock = FixedClock()
        self.store = MemoryStore(self.clock)
        self.access = LocalAccess(self.clock)
        self.randomness = SeededRandomness(7)
        self._replicas = 0
        self.app = self.replica(issuer)
        bus = MemoryBus(self.clock)
        self.credentials = CredentialChanging(self.store, bus, self.clock, by="root")
        self.changing = LoginChanging(self.store, self.credentials, self.clock, self.randomness, by="root", cost=CHEAP)

    def replica(self, issuer: str = ISSUER, grants: Grants | None = None) -> DissonanceApp:
        """Another process on the same store."""
        self._replicas += 1
        return create_app(
            issuing_routers(self.store, self.clock, SeededRandomness(7 + self._replicas), issuer, grants),
            verifier=self.access.verifier,
            clock=self.clock,
            randomness=self.randomness,
            metrics=Metrics(),
            health={},
            configuration={},
            max_body_bytes=1_000_000,
        )

    async def client(self, name: str = "night-batch", **more: Any) -> MadeClient:
        wanted = {"grants": ["client"], "tasks": ["toy"], "redirects": [], "lifetime_s": DAY_S, **more}
        return await self.changing.make_client(name=name, known=default_grants(), **wanted)

    async def ada(self, *grants: str) -> None:
        await self.changing.add_person(
            name="ada", password=PASSWORD, grants=grants or ["viewer"], known=default_grants(), tasks=["toy"]
        )

    async def token(
        self, fields: Mapping[str, str], client: MadeClient | None = None, app: DissonanceApp | None = None
    ) -> Reply:
        shown = basic(client.client.client_id, client.secret) if client is not None else ""
        return await self.token_as(fields, shown, app)

    async def token_as(self, fields: Mapping[str, str], shown: str, app: DissonanceApp | None = None) -> Reply:
        """`shown`: the header `Authorization`."""
        return await self.send(urlencode(fields).encode(), FORM, shown, app)

    async def send(self, body: bytes, kind: str, shown: str = "", app: DissonanceApp | None = None) -> Reply:
        headers = {"content-type": kind} | ({"authorization": shown} if shown else {})
        return await request(app or self.app, "POST", "/oauth/token", headers=headers, body=body)

    async def open_page(self, **changed: str) -> Page:
        query = query_of(**changed)
        return Page(self, query, await request(self.app, "GET", f"/oauth/authorize?{query}"))

    async def code(self, **changed: str) -> str:
        """By logging in as ada."""
        reply = await (await self.open_page(**changed)).send(name="ada", password=PASSWORD)
        assert reply.status == 303, reply.body
        return returned(reply)["code"]

    async def change(self, code: str, app: DissonanceApp | None = None, **changed: str) -> Reply:
        """The code for a token."""
        fields = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": REDIRECT,
            "client_id": COMMAND_LINE.client_id,
            "code_verifier": VERIFIER,
            **changed,
        }
        return await self.token({name: value for name, value in fields.items() if value}, app=app)

    async def identity(self, reply: Reply) -> Identity:
        """Of the token in an answer, as any process would see it now. Raises `Unauthenticated`."""
        self.access.tokens.use(CredentialList(await self.store.revocations(0)))
        return self.access.tokens.verify(reply.json()["access_token"])


class Page:
    """What a browser got, and sends."""

    def __init__(self, issuing: Issuing, query: str, reply: Reply) -> None:
        self._issuing = issuing
        self.query = query
        self.reply = reply
        self.cookie = reply.headers.get("set-cookie", "").partition(";")[0]
        self.text = reply.body.decode()
        found = re.search(r'name="form" value="([^"]*)"', self.text)
        self.proof = unescape(found.group(1)) if found else ""

    async def send(
        self, *, cookie: str | None = None, proof: str | None = None, query: str | None = None, **fields: str
    ) -> Reply:
        return await request(
            self._issuing.app,
            "POST",
            f"/oauth/authorize?{self.query if query is None else query}",
            headers={
                "content-type": FORM,
                "cookie": self.cookie if cookie is None else cookie,
            },
            body=urlencode({"form": self.proof if proof is None else proof, **fields}).encode(),
        )


def query_of(**changed: str) -> str:
    """Of a good request; an empty value leaves a parameter out."""
    parameters = {
        "response_type": "code",
        "client_id": COMMAND_LINE.client_id,
        "redirect_uri": REDIRECT,
        "state": "s1",
        "code_challenge": challenge_of(VERIFIER),
        "code_challenge_method": "S256",
        **changed,
    }
    return urlencode({name: value for name, value in parameters.items() if value})


def returned(reply: Reply) -> dict[str, str]:
    """What a browser takes back to the client."""
    return dict(parse_qsl(urlsplit(reply.headers["location"]).query))


def basic(name: str, password: str) -> str:
    return "Basic " + b64encode(f"{quote(name)}:{quote(password)}".encode()).decode()
