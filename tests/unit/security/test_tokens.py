from __future__ import annotations

import hashlib
import hmac
import json
from base64 import urlsafe_b64encode

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from dissonance.errors import ConfigurationError, InputError, Unauthenticated
from dissonance.security.grants import default_grants
from dissonance.security.identity import SKEW_S
from dissonance.security.jwt_checks import CLAIMS, MAX_TOKEN_CHARACTERS
from dissonance.security.permissions import Permission
from dissonance.security.refusals import Refusal
from dissonance.security.revocations import MAX_LIFETIME_S
from dissonance.security.signers import thumbprint
from dissonance.security.tokens import LocalIssuer, public_key_pem
from dissonance.security.verifier import CACHED
from support.access import AUDIENCE, ISSUER, LocalAccess, private_key_pem


def encoded(part: object) -> str:
    data = part if isinstance(part, bytes) else json.dumps(part).encode()
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def refused(access: LocalAccess, token: str) -> str:
    """Why, as the log has it."""
    with pytest.raises(Unauthenticated) as caught:
        access.verifier.verify(token)
    assert "opens nothing" in caught.value.what
    return caught.value.reason


def test_a_token_says_who_what_and_which_tasks() -> None:
    access = LocalAccess()
    identity = access.verifier.verify(access.token("client", ("census", "loans"), lifetime_s=60))
    assert identity.name == "tester"
    assert identity.permissions == default_grants()["client"]
    assert identity.tasks == {"census", "loans"}
    assert identity.expires_at_us == access.clock.now_us() + 60_000_000
    assert identity.may(Permission.PREDICT)
    assert not identity.may(Permission.LABEL)
    assert identity.may_touch("census")
    assert not identity.may_touch("other")


def test_a_token_for_every_task_touches_any() -> None:
    access = LocalAccess()
    assert access.verifier.verify(access.token()).may_touch("anything")


def test_several_grants_add_up() -> None:
    access = LocalAccess()
    token = access.issuer.issue(["viewer", "labeller"], subject="x", tasks=["*"], lifetime_s=60)
    assert access.verifier.verify(token).permissions == default_grants()["viewer"] | default_grants()["labeller"]


def test_a_token_has_the_form_of_rfc_9068() -> None:
    access = LocalAccess()
    token = access.token("labeller")
    header = jwt.get_unverified_header(token)
    claims = jwt.decode(token, options={"verify_signature": False})
    key = load_pem_private_key(access.private_pem, None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    assert header == {"alg": "ES256", "typ": "at+jwt", "kid": thumbprint(key.public_key())}
    assert set(claims) == {"iss", "sub", "aud", "exp", "iat", "jti", "client_id", "scope", "tasks"}
    assert claims["scope"] == "label_requests:read label_requests:write labels:write"


def test_two_tokens_have_different_ids() -> None:
    access = LocalAccess()
    first, second = (jwt.decode(access.token(), options={"verify_signature": False})["jti"] for _ in range(2))
    assert first != second


def test_thumbprint_is_the_hash_of_the_canonical_key() -> None:
    key = ec.derive_private_key(12345, ec.SECP256R1()).public_key()
    as_jwk = json.loads(jwt.algorithms.ECAlgorithm.to_jwk(key))
    canonical = json.dumps({name: as_jwk[name] for name in ("crv", "kty", "x", "y")}, separators=(",", ":"))
    assert thumbprint(key) == encoded(hashlib.sha256(canonical.encode()).digest())


@pytest.mark.parametrize("grant", ["nobody", ["client", "nobody"], []])
def test_an_unknown_grant_or_none_is_refused_with_the_known_ones(grant: str | list[str]) -> None:
    with pytest.raises(InputError) as caught:
        LocalAccess().issuer.issue(grant, subject="x", tasks=["*"], lifetime_s=60)
    assert "client" in caught.value.fix


@pytest.mark.parametrize("lifetime_s", [0, -1, float("nan"), float("inf"), MAX_LIFETIME_S + 1])
def test_a_lifetime_out_of_range_is_refused(lifetime_s: float) -> None:
    with pytest.raises(InputError, match="lifetime"):
        LocalAccess().issuer.issue("client", subject="x", tasks=["*"], lifetime_s=lifetime_s)


@pytest.mark.parametrize(("subject", "tasks"), [("", ["*"]), ("x", [])])
def test_a_token_without_holder_or_task_is_refused(subject: str, tasks: list[str]) -> None:
    with pytest.raises(InputError, match="holder"):
        LocalAccess().issuer.issue("client", subject=subject, tasks=tasks, lifetime_s=60)


def test_a_token_expires_by_the_clock_it_is_given() -> None:
    access = LocalAccess()
    token = access.token(lifetime_s=60)
    access.clock.advance(59.999)
    assert access.verifier.verify(token).name == "tester"
    access.clock.advance(0.001)
    assert refused(access, token) == Refusal.EXPIRED


def test_a_token_that_was_never_seen_before_it_expired_is_refused() -> None:
    access = LocalAccess()
    token = access.token(lifetime_s=60)
    access.clock.advance(61)
    assert refused(access, token) == Refusal.EXPIRED


def test_a_token_from_the_future_is_refused_beyond_the_skew() -> None:
    access = LocalAccess()
    token = access.token()
    access.clock.advance(-SKEW_S)
    access.verifier.verify(token)
    access.clock.advance(-1)
    with pytest.raises(Unauthenticated) as caught:
        access.fresh_tokens().verify(token)
    assert caught.value.reason == Refusal.FUTURE


def test_another_audience_is_refused() -> None:
    access = LocalAccess()
    token = access.other_issuer(audience="elsewhere").issue("client", subject="x", tasks=["*"], lifetime_s=60)
    assert refused(access, token) == Refusal.AUDIENCE


def test_another_issuer_is_refused() -> None:
    access = LocalAccess()
    token = access.other_issuer(issuer="someone").issue("client", subject="x", tasks=["*"], lifetime_s=60)
    assert refused(access, token) == Refusal.ISSUER


def test_another_key_is_refused() -> None:
    access = LocalAccess()
    token = access.other_issuer(pem=private_key_pem(2)).issue("client", subject="x", tasks=["*"], lifetime_s=60)
    assert refused(access, token) == Refusal.KEY


@pytest.mark.parametrize("algorithm", ["none", "None", "NONE", ""])
def test_an_unsigned_token_is_refused(algorithm: str) -> None:
    access = LocalAccess()
    header, body, _ = access.token().split(".")
    forged_header = {**jwt.get_unverified_header(access.token()), "alg": algorithm}
    assert header
    assert refused(access, f"{encoded(forged_header)}.{body}.") == Refusal.ALGORITHM


def test_hmac_with_the_public_key_is_refused() -> None:
    access = LocalAccess()
    _, body, _ = access.token().split(".")
    signed = f"{encoded({**jwt.get_unverified_header(access.token()), 'alg': 'HS256'})}.{body}"
    signature = hmac.digest(access.public_pem, signed.encode(), "sha256")
    assert refused(access, f"{signed}.{encoded(signature)}") == Refusal.ALGORITHM


def test_a_changed_claim_is_refused() -> None:
    access = LocalAccess()
    header, body, signature = access.token("viewer").split(".")
    claims = jwt.decode(f"{header}.{body}.{signature}", options={"verify_signature": False})
    changed = f"{header}.{encoded({**claims, 'scope': 'predictions:write'})}.{signature}"
    assert refused(access, changed) == Refusal.SIGNATURE


def test_a_changed_signature_is_refused_after_the_right_one_was_accepted() -> None:
    access = LocalAccess()
    token = access.token()
    access.verifier.verify(token)
    changed = "A" if token[-10] != "A" else "B"
    assert refused(access, token[:-10] + changed + token[-9:]) == Refusal.SIGNATURE


@pytest.mark.parametrize("kind", ["JWT", "at+jwt2", "id+jwt", "", 7])
def test_a_token_of_another_type_is_refused(kind: object) -> None:
    access = LocalAccess()
    assert refused(access, access.forged(header={"typ": kind})) == Refusal.TYPE


def test_the_long_form_of_the_type_is_accepted() -> None:
    access = LocalAccess()
    assert access.verifier.verify(access.forged(header={"typ": "application/at+jwt"})).name == "tester"


def test_a_token_of_another_key_id_is_refused() -> None:
    access = LocalAccess()
    assert refused(access, access.forged(header={"kid": "other"})) == Refusal.KEY


@pytest.mark.parametrize("claim", [*CLAIMS, "scope", "tasks"])
def test_a_missing_claim_is_named(claim: str) -> None:
    access = LocalAccess()
    assert refused(access, access.forged(without=claim)) == f"claim: {claim}"


@pytest.mark.parametrize(
    "claims",
    [
        {"tasks": "*"},
        {"tasks": [1]},
        {"scope": ["predictions:write"]},
        {"exp": "later"},
        {"exp": True},
        {"iat": 1.5},
        {"sub": 7},
        {"jti": 7},
        {"client_id": None},
        {"aud": 3},
    ],
)
def test_a_claim_of_the_wrong_type_is_refused(claims: dict[str, object]) -> None:
    access = LocalAccess()
    key = load_pem_private_key(access.private_pem, None)
    genuine = access.token()
    said = {**jwt.decode(genuine, options={"verify_signature": False}), **claims}
    signed = f"{encoded(jwt.get_unverified_header(genuine))}.{encoded(said)}"
    algorithm = jwt.algorithms.ECAlgorithm(jwt.algorithms.ECAlgorithm.SHA256, ec.SECP256R1)
    refused(access, f"{signed}.{encoded(algorithm.sign(signed.encode(), key))}")  # type: ignore[arg-type]


def test_unknown_permissions_in_a_token_grant_nothing() -> None:
    access = LocalAccess()
    identity = access.verifier.verify(access.forged({"scope": "everything:write labels:write"}))
    assert identity.permissions == {Permission.LABEL}


@pytest.mark.parametrize("token", ["", ".", "..", "a.b.c", "not a token", "é" * 20, "\ud800", "[" * 500])
def test_what_is_no_jwt_is_refused(token: str) -> None:
    refused(LocalAccess(), token)


def test_an_overlong_token_is_refused_unread() -> None:
    assert refused(LocalAccess(), "a" * (MAX_TOKEN_CHARACTERS + 1)) == Refusal.TOO_LONG


def test_what_was_verified_once_is_not_verified_again_and_the_memory_is_bounded() -> None:
    access = LocalAccess()
    token = access.token()
    first = access.verifier.verify(token)
    assert access.verifier.verify(token) is first
    access.tokens._verified.update({bytes([i % 256, i // 256]): first for i in range(CACHED)})
    access.verifier.verify(access.token())
    assert len(access.tokens._verified) == CACHED + 1  # one in, one out
    assert access.verifier.verify(token) is not first


@pytest.mark.parametrize("pem", [b"", b"nonsense", public_key_pem(private_key_pem())])
def test_an_unreadable_issuer_key_stops_the_start(pem: bytes) -> None:
    with pytest.raises(ConfigurationError, match="private key"):
        LocalAccess().other_issuer(pem=pem or b"-")


def test_an_unreadable_public_key_stops_the_start() -> None:
    with pytest.raises(ConfigurationError, match="public key"):
        LocalIssuer(private_key_pem(), issuer=ISSUER, audience=AUDIENCE)


def test_a_key_of_another_curve_stops_the_start() -> None:
    other = ec.derive_private_key(99, ec.SECP384R1())
    edwards = ed25519.Ed25519PrivateKey.from_private_bytes(bytes(32))
    form = (Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    for pem in (other.private_bytes(*form), edwards.private_bytes(*form)):
        with pytest.raises(ConfigurationError, match="P-256"):
            LocalAccess().other_issuer(pem=pem)
    public = other.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    with pytest.raises(ConfigurationError, match="P-256"):
        LocalIssuer(public, issuer=ISSUER, audience=AUDIENCE)
