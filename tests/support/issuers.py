"""An issuer that is not ours, within the test: its keys, its documents, its tokens."""

from __future__ import annotations

import json
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from msgspec.structs import replace

from dissonance.errors import IssuerUnavailable
from dissonance.security.issuers import IssuerRules, TrustedIssuer
from dissonance.security.jwt_checks import ACCESS_TOKEN
from dissonance.security.signers import signers_of
from support.access import AUDIENCE

URL = "https://login.example.org"
RULES = IssuerRules(
    name="corp", url=URL, audience=AUDIENCE, grants={"ml": ["client"], "labels": ["labels:write"]}, tasks=("census",)
)

KEYS: dict[str, Any] = {
    "ES256": ec.derive_private_key(10**40 + 77, ec.SECP256R1()),
    "EdDSA": ed25519.Ed25519PrivateKey.from_private_bytes(b"\x07" * 32),
}


class OtherIssuer:
    """Its documents by address, as `IssuerDocuments`. `published`: `kid` to algorithm and key; `fetched` counts."""

    def __init__(self, url: str = URL) -> None:
        self.url = url
        self.published: dict[str, tuple[str, Any]] = {name.lower(): (name, key) for name, key in KEYS.items()}
        self.documents: dict[str, Any] = {}
        self.available = True
        self.fetched = 0

    async def fetch(self, url: str, *, ca_file: str = "") -> bytes:
        self.fetched += 1
        if not self.available:
            raise IssuerUnavailable("it plays dead", where=url)
        standard = {
            f"{self.url}/.well-known/openid-configuration": {"issuer": self.url, "jwks_uri": f"{self.url}/keys"},
            f"{self.url}/keys": self.key_set(),
        }
        return json.dumps({**standard, **self.documents}[url]).encode()

    def key_set(self) -> dict[str, Any]:
        return {"keys": [public_jwk(kid, algorithm, key) for kid, (algorithm, key) in self.published.items()]}

    def token(self, now_us: int, kid: str = "es256", header: dict[str, Any] | None = None, **claims: Any) -> str:
        algorithm, key = self.published[kid]
        now_s = now_us // 1_000_000
        said = {
            "iss": self.url,
            "sub": "ada",
            "aud": AUDIENCE,
            "exp": now_s + 600,
            "iat": now_s,
            "jti": "one",
            "client_id": "app",
            "groups": ["ml", "staff"],
        }
        kept = {name: value for name, value in {**said, **claims}.items() if value is not None}
        return jwt.encode(kept, key, algorithm=algorithm, headers={"typ": ACCESS_TOKEN, "kid": kid, **(header or {})})


def public_jwk(kid: str, algorithm: str, key: Any) -> dict[str, Any]:
    of = {
        "ES256": jwt.algorithms.ECAlgorithm,
        "EdDSA": jwt.algorithms.OKPAlgorithm,
        "RS256": jwt.algorithms.RSAAlgorithm,
    }
    return {**json.loads(of[algorithm].to_jwk(key.public_key())), "kid": kid, "alg": algorithm, "use": "sig"}


def rsa_key(bits: int = 2048) -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, bits)


def trusted(issuer: OtherIssuer, **rules: Any) -> TrustedIssuer:
    """One whose keys are known as they are published now."""
    made = TrustedIssuer(replace(RULES, url=issuer.url, **rules))
    made.signers = signers_of(json.dumps(issuer.key_set()).encode(), made.rules.algorithms)
    return made
