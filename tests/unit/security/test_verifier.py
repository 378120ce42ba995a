"""Tokens of other issuers, API keys and revocations: who is let in, who is not, and why not."""

from __future__ import annotations

import hmac
import json
from typing import Any

import jwt
import pytest

from dissonance.adapters.memory.clock import FixedClock, SeededRandomness
from dissonance.errors import Unauthenticated
from dissonance.security.api_keys import ApiKey, new_secret
from dissonance.security.grants import default_grants
from dissonance.security.identity import SKEW_S
from dissonance.security.permissions import Permission
from dissonance.security.refusals import Refusal
from dissonance.security.revocations import MAX_LIFETIME_S, CredentialList, Revocation, Revoked
from dissonance.security.tokens import LocalIssuer
from dissonance.security.verifier import API_KEYS, TokenVerifier
from support.access import AUDIENCE, ISSUER, LocalAccess
from support.issuers import KEYS, URL, OtherIssuer, rsa_key, trusted


class Scene:
    """A verifier that trusts the local issuer and another one."""

    def __init__(self, **rules: Any) -> None:
        self.clock = FixedClock()
        self.access = LocalAccess(self.clock)
        self.other = OtherIssuer()
        self.trusted = trusted(self.other, **rules)
        local = LocalIssuer(self.access.public_pem, issuer=ISSUER, audience=AUDIENCE)
        self.verifier = TokenVerifier([local, self.trusted], clock=self.clock)
        self.keys: list[ApiKey] = []

    def token(self, kid: str = "es256", header: dict[str, Any] | None = None, **claims: Any) -> str:
        return self.other.token(self.clock.now_us(), kid, header, **claims)

    def api_key(self, lifetime_s: float = 60.0) -> str:
        secret = new_secret(SeededRandomness(len(self.keys)))
        now_us = self.clock.now_us()
        self.keys.append(
            ApiKey(
                key_id=secret.key_id,
                name="batch",
                digest=secret.digest,
                scope=("labels:write", "gone:write"),
                tasks=("census",),
                created_at_us=now_us,
                expires_at_us=now_us + round(lifetime_s * 1e6),
                by="ada",
            )
        )
        self.verifier.use(CredentialList((), self.keys))
        return secret.text

    def revoke(self, what: Revoked, value: str) -> None:
        made = Revocation(what=what, value=value, revoked_at_us=self.clock.now_us(), by="ada", reason="")
        self.verifier.use(CredentialList([made], self.keys))

    def refused(self, token: str) -> str:
        with pytest.raises(Unauthenticated) as caught:
            self.verifier.verify(token)
        assert "opens nothing" in caught.value.what
        return caught.value.reason


@pytest.mark.parametrize("kid", ["es256", "eddsa"])
def test_a_token_of_a_trusted_issuer_means_what_the_rules_say(kid: str) -> None:
    scene = Scene()
    identity = scene.verifier.verify(scene.token(kid))
    assert (identity.name, identity.issuer, identity.token_id) == ("corp/ada", URL, "one")
    assert identity.permissions == default_grants()["client"]
    assert identity.tasks == {"census"}


def test_a_claim_that_the_rules_do_not_know_grants_nothing() -> None:
    scene = Scene(tasks_claim="may.touch")
    identity = scene.verifier.verify(scene.token(groups="staff labels", scope="cycles:write", may={"touch": ["loans"]}))
    assert identity.permissions == {Permission.LABEL}
    assert identity.tasks == {"census", "loans"}


def test_rs256_is_taken_only_where_it_is_stated() -> None:
    for stated in (False, True):
        scene = Scene(algorithms=("ES256", "RS256") if stated else ("ES256",))
        scene.other.published["rsa"] = ("RS256", rsa_key())
        scene.trusted.signers = trusted(scene.other, algorithms=scene.trusted.rules.algorithms).signers
        if stated:
            assert scene.verifier.verify(scene.token("rsa")).name == "corp/ada"
        else:
            assert scene.refused(scene.token("rsa")) == Refusal.ALGORITHM


@pytest.mark.parametrize(
    ("claims", "header", "reason"),
    [
        ({"iss": "https://elsewhere.example.org"}, {}, Refusal.ISSUER),
        ({"aud": "somebody else"}, {}, Refusal.AUDIENCE),
        ({"jti": None}, {}, "claim: jti"),
        ({"client_id": None}, {}, "claim: client_id"),
        ({"sub": None}, {}, "claim: sub"),
        ({"iss": None}, {}, "claim: iss"),
        ({"nbf": "soon"}, {}, "claim: nbf"),
        ({}, {"typ": "JWT"}, Refusal.TYPE),
        ({}, {"typ": None}, Refusal.TYPE),
        ({}, {"kid": "unheard of"}, Refusal.KEY),
        ({}, {"kid": "eddsa"}, Refusal.ALGORITHM),
    ],
)
def test_what_is_not_in_order_is_refused_with_a_reason_of_its_own(
    claims: dict[str, Any], header: dict[str, Any], reason: str
) -> None:
    scene = Scene()
    assert scene.refused(scene.token(header=header, **claims)) == reason


def test_the_public_key_is_no_secret_to_sign_with() -> None:
    scene = Scene(algorithms=("ES256",))
    head, body, _ = scene.token().split(".")
    for secret in (json.dumps(scene.other.key_set()["keys"][0]).encode(), scene.access.public_pem):
        said = {**jwt.get_unverified_header(f"{head}.{body}."), "alg": "HS256"}
        signed = jwt.utils.base64url_encode(json.dumps(said).encode()).decode() + f".{body}"
        signature = jwt.utils.base64url_encode(hmac.digest(secret, signed.encode(), "sha256")).decode()
        assert scene.refused(f"{signed}.{signature}") == Refusal.ALGORITHM


def test_the_key_of_one_issuer_opens_nothing_in_the_name_of_another() -> None:
    scene = Scene()
    assert scene.refused(scene.token(iss=ISSUER)) == Refusal.KEY
    scene.other.published["es256"] = ("ES256", KEYS["ES256"])
    forged = scene.access.forged({"iss": URL}, {"kid": "es256"})
    assert scene.refused(forged) == Refusal.SIGNATURE


def test_clocks_may_differ_by_the_skew_that_is_stated_and_no_more() -> None:
    scene = Scene(skew_s=30.0)
    token = scene.token()
    scene.clock.advance(600 + 29.9)
    assert scene.verifier.verify(token).name == "corp/ada"
    scene.clock.advance(0.1)
    assert scene.refused(token) == Refusal.EXPIRED
    now_s = scene.clock.now_us() // 1_000_000
    assert scene.refused(scene.token(iat=now_s + SKEW_S + 1)) == Refusal.FUTURE
    assert scene.refused(scene.token(nbf=now_s + SKEW_S + 1)) == Refusal.FUTURE


def test_a_token_that_outlives_its_revocation_is_refused() -> None:
    scene = Scene()
    now_s = scene.clock.now_us() // 1_000_000
    assert scene.refused(scene.token(exp=now_s + MAX_LIFETIME_S + 1)) == Refusal.LIFETIME


def test_issuers_that_write_no_type_are_taken_where_that_is_stated() -> None:
    scene = Scene(token_type="")
    identity = scene.verifier.verify(scene.token(header={"typ": None}, jti=None, client_id=None))
    assert identity.token_id == identity.credential.hex()
    assert scene.refused(scene.token()) == Refusal.TYPE


def test_what_a_withdrawn_key_signed_is_refused_though_it_was_verified_before() -> None:
    scene = Scene()
    withdrawn, kept = scene.token("es256"), scene.token("eddsa")
    identities = [scene.verifier.verify(token) for token in (withdrawn, kept)]
    del scene.trusted.signers["es256"]
    scene.verifier.signers_changed()
    assert [scene.verifier.remembers(identity) for identity in identities] == [False, True]
    assert scene.refused(withdrawn) == Refusal.KEY


def test_a_new_key_under_an_old_name_does_not_vouch_for_what_the_old_one_signed() -> None:
    scene = Scene()
    token = scene.token()
    identity = scene.verifier.verify(token)
    scene.other.published["es256"] = ("ES256", LocalAccess(seed=9).issuer._key)
    scene.trusted.signers = trusted(scene.other).signers
    scene.verifier.signers_changed()
    assert not scene.verifier.remembers(identity)
    assert scene.refused(token) == Refusal.SIGNATURE


def test_a_revoked_token_is_refused_at_once_though_it_was_verified_before_and_others_are_not() -> None:
    scene = Scene()
    lost, fine = scene.access.token(), scene.access.token()
    identity, other = scene.verifier.verify(lost), scene.verifier.verify(fine)
    scene.revoke(Revoked.TOKEN, identity.token_id)
    assert scene.refused(lost) == Refusal.REVOKED
    assert not scene.verifier.remembers(identity)
    assert scene.verifier.verify(fine) is other


def test_all_that_a_holder_had_is_refused_and_what_is_issued_later_is_not() -> None:
    scene = Scene()
    scene.revoke(Revoked.HOLDER, "corp/ada")
    assert scene.refused(scene.token()) == Refusal.REVOKED
    assert scene.verifier.verify(scene.token(sub="bob")).name == "corp/bob"
    scene.clock.advance(SKEW_S)
    assert scene.refused(scene.token()) == Refusal.REVOKED  # an issuer's clock may be so much ahead
    scene.clock.advance(1)
    assert scene.verifier.verify(scene.token()).name == "corp/ada"


def test_an_issuer_whose_clock_may_be_far_ahead_must_wait_as_long_to_be_believed_again() -> None:
    scene = Scene(skew_s=300.0)
    scene.revoke(Revoked.HOLDER, "corp/ada")
    scene.clock.advance(300)
    assert scene.refused(scene.token()) == Refusal.REVOKED
    scene.clock.advance(1)
    assert scene.verifier.verify(scene.token()).name == "corp/ada"


def test_a_holder_of_another_issuer_is_another_holder() -> None:
    scene = Scene()
    scene.revoke(Revoked.HOLDER, "ada")
    assert scene.verifier.verify(scene.token()).name == "corp/ada"


def test_an_api_key_opens_what_its_scope_says_until_it_expires() -> None:
    scene = Scene()
    key = scene.api_key(lifetime_s=60)
    identity = scene.verifier.verify(key)
    assert (identity.name, identity.permissions, identity.tasks) == ("batch", {Permission.LABEL}, {"census"})
    scene.clock.advance(60)
    assert scene.refused(key) == Refusal.EXPIRED


def test_an_api_key_of_another_secret_or_form_is_refused() -> None:
    scene = Scene()
    key = scene.api_key()
    swapped = key[:-1] + ("A" if key[-1] != "A" else "B")
    for other in (swapped, key + "A", key[:-1], "dsk_", key.replace("dsk_", "dsk_0")):
        assert scene.refused(other) == Refusal.API_KEY


def test_an_api_key_is_revoked_by_its_id() -> None:
    scene = Scene()
    key = scene.api_key()
    identity = scene.verifier.verify(key)
    scene.revoke(Revoked.TOKEN, scene.keys[0].key_id)
    assert not scene.verifier.remembers(identity)
    assert scene.refused(key) == Refusal.REVOKED


def test_only_what_may_be_too_old_here_is_worth_another_look() -> None:
    scene = Scene()
    key = scene.api_key()
    scene.verifier.verify(key)
    stranger = key.replace(scene.keys[0].key_id, "0" * 16)
    assert scene.verifier.lack(scene.token(header={"kid": "new"})) == URL
    assert scene.verifier.lack(stranger) == API_KEYS
    enough = [key, scene.token(), "dsk_", "nonsense", scene.token(header={"kid": "new", "typ": "JWT"})]
    enough += [scene.token(iss="https://elsewhere.example.org"), scene.access.token()]
    assert [scene.verifier.lack(each) for each in enough] == [None] * len(enough)
