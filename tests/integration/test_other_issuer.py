"""Tokens of an issuer that is another program, with keys of its own: a real OpenBao."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator

import pytest

from dissonance.adapters.clock import SystemClock
from dissonance.adapters.oidc.documents import HttpIssuerDocuments
from dissonance.errors import IssuerUnavailable, Unauthenticated
from dissonance.roles.issuer_keys import IssuerKeys
from dissonance.security.grants import default_grants
from dissonance.security.issuers import TrustedIssuer, read_issuers
from dissonance.security.refusals import Refusal
from dissonance.security.verifier import TokenVerifier
from dissonance.web.preparing import PreparingVerifier
from support.openbao import OpenBao

RULES = """
[[issuers]]
name = "bao"
url = "{url}"
audience = "dissonance"
token_type = "{token_type}"
grants = {{ ml = ["client"] }}
tasks = ["census"]
"""


@pytest.fixture(scope="module")
def bao(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OpenBao]:
    bao = OpenBao(tmp_path_factory.mktemp("bao"))
    try:
        bao.start()
        bao.be_an_issuer("ES256", "EdDSA", "RS256")
        yield bao
    finally:
        bao.stop()


class Reader:
    """What a process of ours has of an issuer."""

    def __init__(self, url: str, *, token_type: str = "") -> None:
        [rules] = read_issuers(RULES.format(url=url, token_type=token_type).encode())
        issuer = TrustedIssuer(rules)
        tokens = TokenVerifier([issuer], clock=SystemClock())
        self.keys = IssuerKeys(issuer, HttpIssuerDocuments(), SystemClock(), tokens.signers_changed)
        self.verifier = PreparingVerifier(tokens, {url: self.keys.refresh})

    async def refused(self, token: str) -> str:
        await self.verifier.prepare(token)
        with pytest.raises(Unauthenticated) as caught:
            self.verifier.verify(token)
        return caught.value.reason


def tell(story: Callable[[], Awaitable[None]]) -> None:
    async def told() -> None:
        await story()

    asyncio.run(told())


def test_its_tokens_are_let_in_with_what_its_groups_mean_here(bao: OpenBao) -> None:
    async def story() -> None:
        reader = Reader(bao.issuer)
        for algorithm in ("ES256", "EdDSA"):
            token = bao.token(algorithm)
            await reader.verifier.prepare(token)
            identity = reader.verifier.verify(token)
            assert identity.name.startswith("bao/")
            assert (identity.permissions, identity.tasks) == (default_grants()["client"], {"census"})
        assert await reader.refused(bao.token("RS256")) == Refusal.ALGORITHM
        assert await Reader(bao.issuer, token_type="at+jwt").refused(bao.token("ES256")) == Refusal.TYPE

    tell(story)


def test_it_rotates_its_key_and_the_old_one_opens_nothing(bao: OpenBao) -> None:
    async def story() -> None:
        reader = Reader(bao.issuer)
        old = bao.token("EdDSA")
        await reader.keys.read()
        identity = reader.verifier.verify(old)
        bao.rotate("EdDSA")
        new = bao.token("EdDSA")
        while reader.verifier.remembers(identity):
            await reader.keys.read()
            await asyncio.sleep(0.1)
        assert await reader.refused(old) == Refusal.KEY
        assert reader.verifier.verify(new).name == identity.name

    tell(story)


def test_what_is_no_issuer_is_unavailable(bao: OpenBao) -> None:
    async def story() -> None:
        documents = HttpIssuerDocuments()
        for url in (f"{bao.address}/nothing", f"{bao.address}/ui", "http://127.0.0.1:1/keys", "http://[/"):
            with pytest.raises(IssuerUnavailable):
                await documents.fetch(url)

    tell(story)
