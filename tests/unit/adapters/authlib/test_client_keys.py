"""Clients that sign instead of showing a secret (RFC 7523): what lets them in, and each way to pretend to be one."""

from __future__ import annotations

import asyncio
import hmac
import json
from collections.abc import Callable
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from dissonance.errors import InputError
from dissonance.roles.login_changing import MadeClient
from dissonance.security.client_assertions import ASSERTION_TYPE, LONGEST_S
from dissonance.security.identity import SKEW_S
from dissonance.security.secret_texts import base64url
from support.asgi import Reply, request
from support.issuers import rsa_key
from support.issuing import HERE, VERIFIER, Issuing, basic

KEYS: dict[str, Any] = {
    "ES256": ec.derive_private_key(10**40 + 5, ec.SECP256R1()),
    "EdDSA": ed25519.Ed25519PrivateKey.from_private_bytes(b"\x05" * 32),
}
OTHERS: dict[str, Any] = {
    "ES256": ec.derive_private_key(10**40 + 6, ec.SECP256R1()),
    "EdDSA": ed25519.Ed25519PrivateKey.from_private_bytes(b"\x06" * 32),
}
OWN = {"grant_type": "client_credentials"}
BACK = "https://grafana.example.org/back"


def public_pem(key: Any) -> str:
    pem: bytes = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return pem.decode()


async def signing_client(issuing: Issuing, algorithm: str = "ES256", **more: Any) -> MadeClient:
    return await issuing.client(public_key=public_pem(KEYS[algorithm]), **more)


def claims_of(issuing: Issuing, made: MadeClient, **changed: Any) -> dict[str, Any]:
    """None leaves one out."""
    now_s = issuing.clock.now_us() // 1_000_000
    claims = {
        "iss": made.client.client_id,
        "sub": made.client.client_id,
        "aud": HERE,
        "exp": now_s + 60,
        "jti": issuing.randomness.token(16).hex(),
        **changed,
    }
    return {name: value for name, value in claims.items() if value is not None}


def signed(claims: dict[str, Any], algorithm: str = "ES256", key: Any = None, **header: Any) -> str:
    return jwt.encode(claims, key or KEYS[algorithm], algorithm=algorithm, headers=header)


def said(claims: dict[str, Any], algorithm: str) -> str:
    """What libraries refuse to sign, by hand."""
    return ".".join(base64url(json.dumps(part).encode()) for part in ({"alg": algorithm, "typ": "JWT"}, claims))


def with_secret(claims: dict[str, Any], secret: bytes) -> str:
    text = said(claims, "HS256")
    return f"{text}.{base64url(hmac.digest(secret, text.encode(), 'sha256'))}"


async def shown(issuing: Issuing, assertion: str, **changed: str) -> Reply:
    fields = {**OWN, "client_assertion_type": ASSERTION_TYPE, "client_assertion": assertion, **changed}
    return await issuing.token({name: value for name, value in fields.items() if value}, app=None)


@pytest.mark.parametrize("algorithm", KEYS)
@pytest.mark.parametrize("kind", ["JWT", "client-authentication+jwt"])
def test_a_client_gets_its_token_for_what_it_signed(algorithm: str, kind: str) -> None:
    async def story() -> None:
        issuing = Issuing()
        made = await signing_client(issuing, algorithm)
        reply = await shown(issuing, signed(claims_of(issuing, made), algorithm, typ=kind))
        assert (reply.status, made.secret) == (200, "")
        assert (await issuing.identity(reply)).name == made.client.client_id

    asyncio.run(story())


def test_what_was_signed_is_good_once_at_all_replicas_until_it_has_expired_anyway() -> None:
    async def story() -> None:
        issuing = Issuing()
        made = await signing_client(issuing)
        assertion = signed(claims_of(issuing, made))
        assert (await shown(issuing, assertion)).status == 200
        issuing.app = issuing.replica()
        for _ in range(0, 60 + SKEW_S + 20, 10):
            assert (await shown(issuing, assertion)).status in (401, 429)
            issuing.clock.advance(10.0)
            await shown(issuing, signed(claims_of(issuing, made)))  # which forgets what is too old

    asyncio.run(story())


def test_somebody_elses_signature_uses_up_nothing() -> None:
    async def story() -> None:
        issuing = Issuing()
        made = await signing_client(issuing)
        claims = claims_of(issuing, made)
        assert (await shown(issuing, signed(claims, key=OTHERS["ES256"]))).status == 401
        assert (await shown(issuing, signed(claims))).status == 200

    asyncio.run(story())


def test_the_same_id_of_two_clients_is_two() -> None:
    async def story() -> None:
        issuing = Issuing()
        for made in (await signing_client(issuing), await signing_client(issuing, name="other")):
            assert (await shown(issuing, signed(claims_of(issuing, made, jti="one")))).status == 200

    asyncio.run(story())


CLAIMS: dict[str, dict[str, Any]] = {
    "for another issuer": {"aud": "https://id.example.org"},
    "for the address of the route": {"aud": f"{HERE}/oauth/token"},
    "for others, too": {"aud": [HERE, "https://id.example.org"]},
    "for nobody": {"aud": None},
    "expired": {"exp": -SKEW_S},
    "never expires": {"exp": None},
    "expires in a year": {"exp": 31_536_000},
    "expires a second too late": {"exp": LONGEST_S + SKEW_S + 1},
    "expires never, as a number": {"exp": 1e400},
    "expires in words": {"exp": "soon"},
    "valid only later": {"nbf": SKEW_S + 1},
    "signed later": {"iat": SKEW_S + 1},
    "has no id": {"jti": None},
    "has an empty id": {"jti": ""},
    "has a number for an id": {"jti": 7},
    "has an endless id": {"jti": "a" * 257},
    "is about another": {"sub": "ada"},
    "is about nobody": {"sub": None},
    "is of nobody": {"iss": None},
    "is of an unknown client": {"iss": "night-batch.00000000", "sub": "night-batch.00000000"},
    "is of the command line": {"iss": "dissonance-command-line", "sub": "dissonance-command-line"},
}


@pytest.mark.parametrize("changed", CLAIMS.values(), ids=CLAIMS)
def test_a_claim_that_is_wrong_is_refused_as_anything_else(changed: dict[str, Any]) -> None:
    async def story() -> None:
        issuing = Issuing()
        made = await signing_client(issuing)
        now_s = issuing.clock.now_us() // 1_000_000
        times = {name: now_s + value for name, value in changed.items() if type(value) is int and name != "jti"}
        reply = await shown(issuing, signed(claims_of(issuing, made, **{**changed, **times})))
        assert (reply.status, reply.body) == (401, b'{"error":"invalid_client"}')
        assert (await shown(issuing, signed(claims_of(issuing, made)))).status == 200

    asyncio.run(story())


Forgery = Callable[[dict[str, Any], MadeClient], str]
FORGERIES: dict[str, Forgery] = {
    "another key": lambda claims, _: signed(claims, key=OTHERS["ES256"]),
    "another key that it brings along": lambda claims, _: signed(
        claims,
        key=OTHERS["ES256"],
        jwk=json.loads(jwt.algorithms.ECAlgorithm.to_jwk(OTHERS["ES256"].public_key())),
    ),
    "another algorithm, and its key": lambda claims, _: signed(claims, "EdDSA"),
    "RS256": lambda claims, _: signed(claims, "RS256", rsa_key()),
    "none": lambda claims, _: jwt.encode(claims, None, algorithm="none"),
    "none, in other letters": lambda claims, _: said(claims, "nOnE") + ".",
    "HS256 with the public key": lambda claims, made: with_secret(claims, made.client.public_key.encode()),
    "HS256 with nothing": lambda claims, _: with_secret(claims, b""),
    "no signature": lambda claims, _: signed(claims).rpartition(".")[0] + ".",
    "another signature": lambda claims, _: signed(claims).rpartition(".")[0] + "." + signed({}).rpartition(".")[2],
    "a token's type": lambda claims, _: signed(claims, typ="at+jwt"),
    "no token at all": lambda _claims, _made: "a.b.c",
    "too long": lambda claims, _: signed({**claims, "more": "a" * 9_000}),
}


@pytest.mark.parametrize("forgery", FORGERIES.values(), ids=FORGERIES)
def test_what_somebody_else_made_is_refused(forgery: Forgery) -> None:
    async def story() -> None:
        issuing = Issuing()
        made = await signing_client(issuing)
        reply = await shown(issuing, forgery(claims_of(issuing, made), made))
        assert (reply.status, reply.body) == (401, b'{"error":"invalid_client"}')

    asyncio.run(story())


def test_a_client_is_let_in_in_its_own_way_and_in_one() -> None:
    async def story() -> None:
        issuing = Issuing()
        signs, has_secret = await signing_client(issuing), await issuing.client()
        assertion = signed(claims_of(issuing, signs))
        refused = {
            "its id alone": await issuing.token({**OWN, "client_id": signs.client.client_id}),
            "an empty secret": await issuing.token_as(OWN, basic(signs.client.client_id, "")),
            "any secret": await issuing.token_as(OWN, basic(signs.client.client_id, "dsc_" + "A" * 43)),
            "another client's name": await shown(issuing, assertion, client_id=has_secret.client.client_id),
            "no type": await shown(issuing, assertion, client_assertion_type=""),
            "another type": await shown(issuing, assertion, client_assertion_type="urn:x"),
            "the type alone": await shown(issuing, "", client_assertion_type=ASSERTION_TYPE),
            "a secret that signs": await shown(
                issuing, with_secret(claims_of(issuing, has_secret), has_secret.secret.encode())
            ),
            "a key where there is a secret": await shown(issuing, signed(claims_of(issuing, has_secret))),
        }
        assert {what: reply.body for what, reply in refused.items() if reply.status != 401} == {}

        fields = {**OWN, "client_assertion_type": ASSERTION_TYPE, "client_assertion": assertion}
        assert (await issuing.token(fields, has_secret)).json()["error"] == "invalid_request"
        assert (await shown(issuing, assertion, client_id=signs.client.client_id)).status == 200

    asyncio.run(story())


def test_a_client_that_signs_has_to_for_a_code_too() -> None:
    async def story() -> None:
        issuing = Issuing()
        await issuing.ada()
        made = await signing_client(issuing, grants=[], redirects=[BACK])
        asked = {"client_id": made.client.client_id, "redirect_uri": BACK}
        assert (await issuing.change(await issuing.code(**asked), **asked)).json()["error"] == "invalid_client"
        fields = {
            "grant_type": "authorization_code",
            "code": await issuing.code(**asked),
            "redirect_uri": BACK,
            "code_verifier": VERIFIER,
        }
        reply = await shown(issuing, signed(claims_of(issuing, made)), **fields)
        assert (await issuing.identity(reply)).name == "ada"

    asyncio.run(story())


def test_an_issuer_says_that_it_takes_what_clients_sign() -> None:
    async def story() -> None:
        described = (await request(Issuing().app, "GET", "/.well-known/oauth-authorization-server")).json()
        assert "private_key_jwt" in described["token_endpoint_auth_methods_supported"]
        assert described["token_endpoint_auth_signing_alg_values_supported"] == ["ES256", "EdDSA"]

    asyncio.run(story())


def test_a_key_that_is_none_of_ours_makes_no_client() -> None:
    async def story() -> None:
        issuing = Issuing()
        private = KEYS["ES256"].private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
        short = ec.derive_private_key(7, ec.SECP384R1())
        for pem, why in (
            ("nonsense", "no public key"),
            (private, "keep it"),
            (public_pem(rsa_key()), "another kind"),
            (public_pem(short), "another kind"),
        ):
            with pytest.raises(InputError, match=why):
                await issuing.client(public_key=pem)
        assert await issuing.store.oauth_clients() == []

    asyncio.run(story())
