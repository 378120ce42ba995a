from __future__ import annotations

import json

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from dissonance.security.signers import MAX_KEYS, signers_of
from support.issuers import KEYS, OtherIssuer, public_jwk, rsa_key

ALL = ("ES256", "EdDSA", "RS256")


def key_set(*keys: dict[str, object]) -> bytes:
    return json.dumps({"keys": keys}).encode()


def test_each_key_signs_with_the_algorithm_of_its_kind() -> None:
    found = signers_of(json.dumps(OtherIssuer().key_set()).encode(), ALL)
    assert {kid: signer.algorithm for kid, signer in found.items()} == {"es256": "ES256", "eddsa": "EdDSA"}


def test_keys_that_sign_nothing_for_us_are_passed_over() -> None:
    good = public_jwk("a", "ES256", KEYS["ES256"])
    other_curve = {**good, "crv": "P-384"}
    unnamed = {name: value for name, value in good.items() if name != "kid"}
    secret = {"kty": "oct", "kid": "s", "k": "AAAA"}
    weak = public_jwk("w", "RS256", rsa_key(1024))
    odd = [{**good, "use": "enc"}, {**good, "alg": "ES512"}, {**good, "kid": 7}, {}, other_curve, unnamed, secret, weak]
    assert signers_of(key_set(*odd), ALL) == {}
    assert signers_of(key_set(good), ("EdDSA",)) == {}


@pytest.mark.parametrize("text", [b"", b"[]", b"{}", b'{"keys": 1}', b"\xff"])
def test_what_is_no_key_set_is_no_value(text: bytes) -> None:
    with pytest.raises(ValueError):
        signers_of(text, ALL)


def test_two_keys_of_one_name_too_many_keys_and_points_off_the_curve_are_no_value() -> None:
    good = public_jwk("a", "ES256", KEYS["ES256"])
    other = public_jwk("a", "ES256", ec.derive_private_key(5, ec.SECP256R1()))
    for keys in ([good, other], [good] * (MAX_KEYS + 1), [{**good, "x": good["y"]}], [{**good, "x": 7}]):
        with pytest.raises(ValueError):
            signers_of(key_set(*keys), ALL)
