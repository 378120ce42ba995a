"""Keys of issuers: read where they are published, again when a token names an unknown one, and never too often."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from dissonance.adapters.memory.clock import FixedClock
from dissonance.errors import Unauthenticated
from dissonance.roles.issuer_keys import AGAIN_S, IssuerKeys
from dissonance.security.issuers import TrustedIssuer
from dissonance.security.refusals import Refusal
from dissonance.security.verifier import TokenVerifier
from dissonance.web.preparing import PreparingVerifier
from support.issuers import KEYS, RULES, URL, OtherIssuer


class Scene:
    """A verifier that knows one issuer by its rules alone."""

    def __init__(self) -> None:
        self.clock = FixedClock()
        self.other = OtherIssuer()
        self.issuer = TrustedIssuer(RULES)
        tokens = TokenVerifier([self.issuer], clock=self.clock)
        self.keys = IssuerKeys(self.issuer, self.other, self.clock, tokens.signers_changed)
        self.verifier = PreparingVerifier(tokens, {URL: self.keys.refresh})

    def token(self, kid: str = "es256") -> str:
        return self.other.token(self.clock.now_us(), kid)

    async def name(self, token: str) -> str:
        await self.verifier.prepare(token)
        return self.verifier.verify(token).name

    async def refused(self, token: str) -> str:
        with pytest.raises(Unauthenticated) as caught:
            await self.name(token)
        return caught.value.reason


def test_the_first_token_of_an_issuer_waits_for_its_keys_and_the_next_does_not() -> None:
    async def told() -> None:
        scene = Scene()
        assert not scene.verifier.at_hand(scene.token())
        assert await scene.name(scene.token()) == "corp/ada"
        assert scene.verifier.at_hand(scene.token("eddsa"))
        assert await scene.name(scene.token("eddsa")) == "corp/ada"
        assert scene.other.fetched == 2  # discovery and keys

    asyncio.run(told())


def test_a_rotated_key_is_found_without_a_restart() -> None:
    async def told() -> None:
        scene = Scene()
        await scene.keys.read()
        scene.other.published["next"] = ("EdDSA", KEYS["EdDSA"])
        scene.clock.advance(AGAIN_S)
        assert await scene.name(scene.token("next")) == "corp/ada"

    asyncio.run(told())


def test_however_many_tokens_name_unknown_keys_the_issuer_is_asked_once_in_a_while() -> None:
    async def told() -> None:
        scene = Scene()
        await scene.keys.read()
        scene.clock.advance(AGAIN_S)
        strangers = [scene.other.token(scene.clock.now_us(), header={"kid": f"k{i}"}) for i in range(50)]
        assert set(await asyncio.gather(*map(scene.refused, strangers))) == {Refusal.KEY}
        assert scene.other.fetched == 4

    asyncio.run(told())


def test_an_issuer_that_is_away_takes_nothing_away() -> None:
    async def told() -> None:
        scene = Scene()
        await scene.keys.read()
        scene.other.available = False
        scene.clock.advance(3600)
        await scene.keys.read()
        assert await scene.name(scene.token()) == "corp/ada"
        assert await scene.refused(scene.other.token(scene.clock.now_us(), header={"kid": "new"})) == Refusal.KEY

    asyncio.run(told())


def test_a_key_that_was_withdrawn_opens_nothing_once_that_is_read() -> None:
    async def told() -> None:
        scene = Scene()
        token = scene.token()
        assert await scene.name(token) == "corp/ada"
        del scene.other.published["es256"]
        await scene.keys.read()
        assert await scene.refused(token) == Refusal.KEY

    asyncio.run(told())


@pytest.mark.parametrize(
    "documents",
    [
        {f"{URL}/.well-known/openid-configuration": {"issuer": "https://other.example.org", "jwks_uri": f"{URL}/keys"}},
        {f"{URL}/.well-known/openid-configuration": {"issuer": URL, "jwks_uri": "http://127.0.0.1/keys"}},
        {f"{URL}/.well-known/openid-configuration": {"issuer": URL}},
        {f"{URL}/keys": {"keys": "none"}},
    ],
)
def test_documents_that_are_not_in_order_give_no_keys(documents: dict[str, Any]) -> None:
    async def told() -> None:
        scene = Scene()
        scene.other.documents = documents
        assert await scene.refused(scene.token()) == Refusal.KEY

    asyncio.run(told())


def test_no_key_comes_from_the_token_itself() -> None:
    async def told() -> None:
        scene = Scene()
        await scene.keys.read()
        brings = {"jku": f"{URL}/other", "jwk": scene.other.key_set()["keys"][0], "kid": "mine"}
        assert await scene.refused(scene.other.token(scene.clock.now_us(), header=brings)) == Refusal.KEY
        assert scene.other.fetched == 2

    asyncio.run(told())
